package monitor

import (
	"context"
	"net/netip"
	"time"
)

// Outcome says whether a check told anything about the member.
type Outcome uint8

const (
	// Answered: a packet of the member arrived; whether it was any good is the
	// profile's to judge.
	Answered Outcome = iota
	// Silent: nothing came, or the far side refused.
	Silent
	// Unmeasured: the check failed on our side (no route, EPERM, EMFILE). It
	// moves no score.
	Unmeasured
)

// Sample is the result of one check of one address from one vantage: the best
// of a few exchanges. It is a plain value that is stored and sent as it is.
type Sample struct {
	Time    time.Time // wall clock at the end of the check
	Vantage string
	Addr    netip.Addr
	Outcome Outcome

	Offset       time.Duration // member's clock minus ours; 0 when the packet had no usable times
	RTT          time.Duration
	RootDistance time.Duration // RTT/2 + root delay/2 + root dispersion, to the primary source
	Stratum      uint8
	Leap         uint8 // 0–3, RFC 5905 figure 9
	RefID        uint32
	Kiss         string // "RATE", "DENY", …; "" when no kiss code came
	Invalid      string // why freshness or order of times is wrong; "" when they are right

	Sent, Lost int    // requests that left in this check and, of those, unanswered
	Err        string // for Silent and Unmeasured: what happened, without the address
}

// tally folds the exchanges of one check into its Sample.
type tally struct {
	best       Sample
	tries      int
	sent, lost int
	at, wall   time.Time // of the first, by the monotonic clock and by that on the wall
}

// add takes one exchange in and reports whether it settles the check: a kiss
// code, stratum 0 or one above 10 is the result whatever else came, and asking
// on would only make a limited member angrier.
func (t *tally) add(s Sample) bool {
	if t.tries++; t.tries == 1 {
		t.at = time.Now()
		t.wall = t.at.Round(0)
	}
	t.sent += s.Sent
	t.lost += s.Lost
	final := s.Outcome == Answered && (s.Kiss != "" || s.Stratum == 0 || s.Stratum > lastStratum)
	if final || t.tries == 1 || better(s, t.best) {
		t.best = s
	}
	return final
}

// sample returns the result so far as the Sample of one check. One in which our
// clock was set measured neither what it was before nor what it is now.
func (t *tally) sample(addr netip.Addr, vantage string, now time.Time) Sample {
	s := t.best
	if by := now.Round(0).Sub(t.wall) - now.Sub(t.at); s.Outcome == Answered && by.Abs() > stepSlack {
		s = Sample{Outcome: Unmeasured, Err: clockSet}
	}
	s.Addr, s.Vantage, s.Time = addr, vantage, now.Round(0).UTC()
	s.Sent, s.Lost = t.sent, t.lost
	return s
}

// better reports whether a says more about a member than b: the lowest round
// trip of those with right times; else any answer; else, that we could not
// measure, for then the silences beside it may be ours too.
func better(a, b Sample) bool {
	return worth(a) > worth(b) || worth(a) == 3 && worth(b) == 3 && a.RTT < b.RTT
}

func worth(s Sample) int {
	switch {
	case s.Outcome == Silent:
		return 0
	case s.Outcome == Unmeasured:
		return 1
	case s.Invalid != "":
		return 2
	}
	return 3
}

// Check measures addr now, with all samples and their gaps, and returns when
// done or when ctx ends (then Unmeasured, unless an answer came before). It
// needs no Run, sends beside whatever Run sends, and calls no Record.
func (p *Prober) Check(ctx context.Context, addr netip.Addr) Sample {
	p.once.Do(p.init)
	var t tally
	for {
		start := time.Now()
		if t.add(p.ask(ctx, addr)) || t.tries >= p.Samples {
			break
		}
		if !sleep(ctx, time.Until(start.Add(p.Gap))) {
			t.add(Sample{Outcome: Unmeasured, Err: cancelled})
			break
		}
	}
	return t.sample(addr, p.Vantage, time.Now())
}

// ask does one exchange with a member, wherever Map sends it.
func (p *Prober) ask(ctx context.Context, addr netip.Addr) Sample {
	to, mapped := p.Map[addr]
	if !mapped {
		to = netip.AddrPortFrom(addr, p.Port)
	}
	from := p.Source6
	if to.Addr().Unmap().Is4() {
		from = p.Source4
	}
	return p.Query(ctx, to, Source{from, p.Device}, p.Timeout)
}

// sleep waits for d and reports whether ctx outlasted it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
