package monitor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/timepool/timepool/zones"
)

// Scores live between these: the fixed points of the best and the worst step.
const (
	BestScore  = 20
	WorstScore = -100
)

// GoodStep is the least step of a good check.
const GoodStep = 0.5

// What a check that gave no offset worth looking at adds to a score, and what
// caps it: the NTP Pool's numbers. A steady step s settles at s/(1−keep).
const (
	keep        = 0.95 // part of the old score that stays
	stepSilent  = -5
	stepRate    = -3.5
	stepDeny    = -10 // DENY and RSTR …
	capDeny     = -50 // … and what the score is at most after one
	stepUnsound = -4
	capFar      = -20 // after an offset of more than …
	far         = 3 * time.Second
)

// lastStratum is the highest stratum a client may use at all; an answer above
// it ends a check, because asking again would say the same.
const lastStratum = 10

// Fault is the kind of thing that is wrong with an address, one word that
// programs may rely on; "" when nothing is.
type Fault string

// The faults.
const (
	SilentFault    Fault = "silent"         // no answer comes
	WrongFault     Fault = "wrong"          // its time is off, or makes no sense
	Unsynchronised Fault = "unsynchronised" // it says itself that it does not know the time
	FarFault       Fault = "far"            // too far from its source: root distance or stratum
	LimitedFault   Fault = "limited"        // a kiss code asks for fewer questions, or none (RFC 5905 §7.4)
	LocalFault     Fault = "only from here" // another vantage finds it good: the path may be to blame
)

// Judge says what one check is worth: the step it adds to a score, the cap on
// the score after it (+Inf: none), what is wrong ("": the check is good), and why
// in one line for people. The rules stand in the order of the NTP Pool's, the
// first that matches wins; an offset beyond the last band caps whatever rule
// matched, as long as the answer had an offset. An Unmeasured sample has step 0
// and means nothing: use Next, which leaves the score alone.
func Judge(s Sample, p zones.Profile) (step, limit float64, fault Fault, why string) {
	none := math.Inf(1)
	switch {
	case s.Outcome == Unmeasured:
		return 0, none, "", tell("not measured", s.Err)
	case s.Outcome == Silent && s.Err == timedOut:
		return stepSilent, none, SilentFault, "no answer"
	case s.Outcome == Silent:
		return stepSilent, none, SilentFault, tell("no answer", s.Err)
	case s.Kiss == "RATE":
		return stepRate, none, LimitedFault, "kiss code RATE"
	case s.Kiss == "DENY" || s.Kiss == "RSTR":
		return stepDeny, capDeny, LimitedFault, "kiss code " + s.Kiss
	case s.Kiss != "":
		return stepUnsound, none, Unsynchronised, "kiss code " + s.Kiss
	}
	step, limit = clockStep(s, p)
	switch fault, why = unsound(s, p); {
	case fault != "":
		return stepUnsound, limit, fault, why
	case step < GoodStep:
		fault = WrongFault
	}
	return step, limit, fault, "offset " + OffsetText(s.Offset)
}

// clockStep returns the step for an offset and the cap that comes with it. Of the
// profile and the NTP Pool the stricter counts, so that a long round trip never
// excuses more than the NTP Pool would.
func clockStep(s Sample, p zones.Profile) (step, limit float64) {
	size := s.Offset.Abs()
	step, limit = ntpPool.Step(size), math.Inf(1)
	if size > far {
		limit = capFar
	}
	if p.Path {
		size = max(0, size-s.RTT/2)
	}
	return min(step, p.Step(size)), limit
}

// ntpPool is the bound on every profile.
var ntpPool = zones.NTPPool()

// Next moves a score by one check. It is pure; an Unmeasured sample moves
// nothing.
func Next(score float64, s Sample, p zones.Profile) float64 {
	if s.Outcome == Unmeasured {
		return score
	}
	step, limit, _, _ := Judge(s, p)
	return max(WorstScore, min(score*keep+step, limit, BestScore))
}

// unsound returns why the offset of an answer is not worth looking at, "" when
// it is.
func unsound(s Sample, p zones.Profile) (Fault, string) {
	switch {
	case s.Stratum == 0 || s.Stratum == 16:
		return Unsynchronised, fmt.Sprintf("stratum %d (unsynchronised)", s.Stratum)
	case s.Leap == 3:
		return Unsynchronised, "leap 3: clock not synchronised"
	case s.Stratum > lastStratum:
		return FarFault, fmt.Sprintf("stratum %d", s.Stratum)
	case s.Invalid != "":
		return WrongFault, s.Invalid
	case s.RootDistance > p.MaxRootDistance:
		return FarFault, "root distance " + length(s.RootDistance)
	case int(s.Stratum) > p.MaxStratum && s.Offset.Abs() <= far:
		return FarFault, fmt.Sprintf("stratum %d", s.Stratum)
	}
	return "", ""
}

// tell joins what happened with its cause, where one is known.
func tell(what, cause string) string {
	if cause == "" {
		return what
	}
	return what + ": " + cause
}

// OffsetText writes an offset as everything here does: "+312 ms", "-2.1 s".
func OffsetText(d time.Duration) string {
	d = d.Round(time.Microsecond)
	unit, name, digits := time.Microsecond, " µs", 0
	switch abs := d.Abs(); {
	case abs >= time.Second:
		unit, name, digits = time.Second, " s", 3
	case abs >= 10*time.Millisecond:
		unit, name, digits = time.Millisecond, " ms", 1
	case abs >= time.Millisecond:
		unit, name, digits = time.Millisecond, " ms", 2
	}
	n := strconv.FormatFloat(float64(d)/float64(unit), 'f', digits, 64)
	if digits > 0 {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	if d >= 0 {
		n = "+" + n
	}
	return n + name
}

// length writes a duration that has no sign.
func length(d time.Duration) string { return strings.TrimPrefix(OffsetText(d), "+") }
