package monitor

import (
	"net/netip"
	"time"

	"github.com/timepool/timepool/zones"
)

// eligible is the score from which an address may be handed out.
const eligible = 10

// Row is the latest state of one address as one vantage sees it. Rows are what
// survives a restart and, on several machines, what vantages share.
type Row struct {
	Sample         // the last check
	Score  float64 // −100 … 20, after Sample
	Step   float64 // what Sample added; 0 when Unmeasured or Frozen
	Why    string  // Judge's one line about Sample
	Good   bool    // Step ≥ 0.5
	Fault  Fault   // what was wrong with the last check that moved the score
	Frozen bool    // Sample was taken while this vantage did not trust itself, or in a maintenance window

	Checks  int       // checks that moved the score, ever
	Bad     int       // of those, the ones that were not Good
	Missed  int       // Silent checks in a row, up to now
	Wrong   bool      // the last Answered check was not Good: measured wrong
	Reached bool      // Score has been ≥ 10 once, so the address left its probation
	In      bool      // this vantage's own verdict: eligible by score, and back for good after a fall
	Fell    bool      // went from In to out by silence, and has not been measured wrong since
	First   time.Time // the first check that moved the score
	Since   time.Time // when In last changed; First until then
}

// Key names a Row.
type Key struct {
	Addr    netip.Addr
	Vantage string
}

// Key returns the name of r.
func (r Row) Key() Key { return Key{r.Addr, r.Vantage} }

// Earning reports whether the address is on probation and doing well: never
// yet at 10, and every check so far good. The Prober checks such an address
// every 8 s with one sample, so that earning in takes two minutes.
func (r Row) Earning() bool { return !r.Reached && r.Bad == 0 }

// After returns r moved on by the check s, judged by p. A check that is
// Unmeasured, or taken while the vantage is frozen, is shown in the Row but
// says nothing about the member: score, counters and verdict stay.
//
// The zero Row is an address that was never checked.
func (r Row) After(s Sample, p zones.Profile, frozen bool) Row {
	step, _, fault, why := Judge(s, p)
	r.Sample, r.Why, r.Frozen = s, why, frozen
	r.Step, r.Good = 0, false
	if frozen || s.Outcome == Unmeasured {
		return r
	}
	if r.Checks == 0 {
		r.First, r.Since = s.Time, s.Time
	}
	r.Checks++
	r.Step, r.Good, r.Fault = step, fault == "", fault
	r.Bad += truth(!r.Good)
	if s.Outcome == Silent {
		r.Missed++
	} else {
		r.Missed, r.Wrong = 0, !r.Good
	}

	was := r.In
	r.Score = Next(r.Score, s, p)
	r.In = r.Score >= eligible && (was || !r.Reached || r.back(s.Time, p))
	r.Reached = r.Reached || r.In
	if r.In != was {
		r.Since = s.Time
	}
	switch {
	case r.In, r.Wrong:
		r.Fell = false
	case was: // and not wrong: the check that took it out can only have been silent
		r.Fell = true
	}
	return r
}

// back reports whether an address that fell out may be in again, as far as the
// registry wants more than a score of 10: a higher one, some time. A clock that
// was set back in between holds nobody.
func (r Row) back(now time.Time, p zones.Profile) bool {
	out := now.Sub(r.Since)
	return r.Score >= float64(p.Readmit) && (out < 0 || out >= p.Hold)
}

// untilIn is how long it takes until r is in when every check is good from now
// on: at the pace that such an address is checked at, after the pause that a
// kiss code asked for, and not before what the registry asks of one that fell.
// 0: it is in.
func (r Row) untilIn(p zones.Profile, interval time.Duration) time.Duration {
	if r.In {
		return 0
	}
	want, hold := float64(eligible), time.Duration(0)
	if r.Reached {
		want, hold = max(want, float64(p.Readmit)), p.Hold-r.Time.Sub(r.Since)
	}
	period := paceOf(interval, 1, 0, r).period
	wait := max(period, backoff(0, interval, r.Sample))
	best, score := p.Step(0), r.Score
	for range 1000 { // a profile may be so strict that nobody ever gets there
		if score = score*keep + best; score >= want {
			break
		}
		wait += period
	}
	if short := hold - wait; short > 0 {
		wait += (short + period - 1) / period * period
	}
	return wait
}
