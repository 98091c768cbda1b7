package monitor

import (
	"fmt"
	"time"

	"github.com/timepool/timepool/zones"
)

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
	case booting && m.all(func(r Aged) bool { return r.Earning() && r.Tenure <= bootFor }):
		return zones.In
	case m.any(func(r Aged) bool { return r.Fell }):
		return zones.Resort
	}
	return zones.Out
}

func (m Merged) any(is func(Aged) bool) bool {
	for _, r := range m.Rows {
		if is(r) {
			return true
		}
	}
	return false
}

func (m Merged) all(is func(Aged) bool) bool {
	return len(m.Rows) > 0 && !m.any(func(r Aged) bool { return !is(r) })
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
		return fmt.Sprintf("in: %s, offset %s", score, signed(r.Offset))
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
