package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/timepool/timepool/zones"
)

// Aged is a Row and how old the reader holds it to be. Both durations are on
// the reader's monotonic clock, from when the Row arrived and never from the
// writer's wall clock; time in which the reader was frozen does not count.
type Aged struct {
	Row
	Age    time.Duration // of the last check
	Tenure time.Duration // since the first check
}

// Merged is what several vantages' Rows of one address come to.
type Merged struct {
	Row          // the Row whose score stands
	Rows  []Aged // those that were fresh enough to be asked, lowest score first
	Wrong bool   // one of Rows measured the member wrong
}

// windows are tried in turn until one holds a Row: 20 minutes, 45, two hours.
var windows = [...]time.Duration{1200 * time.Second, 2700 * time.Second, trustFor}

// trustFor is how old state may be and still be believed.
const trustFor = 7200 * time.Second

// Merge folds the latest Rows of one address, one per vantage, into one. Each
// window is at least three intervals long, so that a slow schedule does not
// age its own rows out. It reports false when no Row is fresh enough.
//
// One Row stands. Of two the lower stands if its vantage measured the member
// wrong (a path may be broken on one side, a clock is wrong from everywhere),
// else the higher. Of three or more the median stands, for an even count the
// lower of the middle two, as in the NTP Pool.
func Merge(rows []Aged, interval time.Duration) (Merged, bool) {
	var m Merged
	for _, w := range windows {
		for _, r := range rows {
			if r.Checks > 0 && r.Age <= max(w, 3*interval) {
				m.Rows = append(m.Rows, r)
				m.Wrong = m.Wrong || r.Wrong
			}
		}
		if len(m.Rows) > 0 {
			break
		}
	}
	slices.SortFunc(m.Rows, func(a, b Aged) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(truth(b.Wrong), truth(a.Wrong)), cmp.Compare(a.Vantage, b.Vantage))
	})
	switch n := len(m.Rows); {
	case n == 0:
		return m, false
	case n == 2 && !m.Rows[0].Wrong:
		m.Row = m.Rows[1].Row
	default:
		m.Row = m.Rows[(n-1)/2].Row
	}
	return m, true
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fault names what is wrong as the vantage here sees it.
func (m Merged) fault(here string) Fault {
	bad := slices.ContainsFunc(m.Rows, func(r Aged) bool { return r.Vantage == here && r.Fault != "" })
	if bad && slices.ContainsFunc(m.Rows, func(r Aged) bool { return r.Vantage != here && r.Good }) {
		return LocalFault
	}
	return m.Fault
}

// bootFor is how long after its first check an address may be served early.
const bootFor = 15 * time.Minute

// Stand gives the verdict on one address. booting says that no address of the
// registry had ever reached 10 when this one was let in, or now.
//
// An address is In from score 10, or what its Row says it takes to come back. While the pool boots it is In early if every
// check so far was good, for 15 minutes after its first. One that was In and
// fell silent is a Resort until it is In again, also while it earns its way
// back. Measured wrong from anywhere it is neither.
func Stand(m Merged, booting bool) zones.Standing {
	switch {
	case m.In:
		return zones.In
	case m.Wrong:
		return zones.Out
	case booting && len(m.Rows) > 0 && !slices.ContainsFunc(m.Rows, func(r Aged) bool { return !r.Earning() || r.Tenure > bootFor }):
		return zones.In
	case slices.ContainsFunc(m.Rows, func(r Aged) bool { return r.Fell }):
		return zones.Resort
	}
	return zones.Out
}

// why tells people in one line how the Row r of an address came to the
// Standing st; interval is that between two checks.
func why(r Row, st zones.Standing, interval time.Duration, p zones.Profile) string {
	score := fmt.Sprintf("score %.1f", r.Score)
	// The check says nothing: it does not count, or not yet.
	idle := r.Frozen || r.Outcome == Unmeasured || r.Outcome == Silent && r.Missed == 0
	unanswered := fmt.Sprintf("%s after %d unanswered %s", score, r.Missed, plural(r.Missed, "check"))
	switch {
	case r.Checks == 0 && r.Time.IsZero():
		return "not checked yet"
	case r.Checks == 0 && r.Outcome == Unmeasured && !r.Frozen:
		return r.Why
	case r.Checks == 0:
		return r.Why + ", not scored yet"
	case st == zones.In && !r.In:
		return fmt.Sprintf("in early while the pool starts: %s of %d", score, eligible)
	case st == zones.In && idle:
		return fmt.Sprintf("in: %s kept, %s", score, r.Why)
	case st == zones.In && r.Missed > 0:
		return "in: " + unanswered
	case st == zones.In && r.Wrong:
		return fmt.Sprintf("in: %s, falling: %s", score, r.Why)
	case st == zones.In:
		return fmt.Sprintf("in: %s, offset %s", score, OffsetText(r.Offset))
	case r.Missed == r.Checks:
		return "never answered"
	case r.Missed > 0 && r.Wrong:
		return unanswered + ", measured wrong before"
	case r.Missed > 0:
		return unanswered
	case r.Wrong && idle:
		return score + ", measured wrong"
	case r.Wrong:
		return r.Why + ", " + score
	case r.Reached:
		return fmt.Sprintf("coming back: %s of %d, about %s to go", score, max(eligible, p.Readmit), about(r.untilIn(p, interval)))
	}
	return fmt.Sprintf("earning in: %s of %d, about %s to go", score, eligible, about(r.untilIn(p, interval)))
}

// about writes a duration as people say it.
func about(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
