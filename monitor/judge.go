package monitor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Scores live between these: the fixed points of the best and the worst step.
const (
	BestScore  = 20
	WorstScore = -100
)

// GoodStep is the least step of a good check.
const GoodStep = 0.5

// lastStratum is the highest stratum a client may use at all; an answer above
// it ends a check, because asking again would say the same.
const lastStratum = 10

// Judge says what one check is worth: the step it adds to a score, the cap on
// the score after it (+Inf: none), and why in one line for people. The rules
// stand in the order of the NTP Pool's, the first that matches wins; an offset
// beyond the last band caps whatever rule matched, as long as the answer had an
// offset. An Unmeasured sample has step 0 and means nothing: use Next, which
// leaves the score alone.
func Judge(s Sample, p Profile) (step, limit float64, why string) {
	none := math.Inf(1)
	switch {
	case s.Outcome == Unmeasured:
		return 0, none, tell("not measured", s.Err)
	case s.Outcome == Silent && s.Err == timedOut:
		return p.Silent, none, "no answer"
	case s.Outcome == Silent:
		return p.Silent, none, tell("no answer", s.Err)
	case s.Kiss == "RATE":
		return p.Rate, none, "kiss code RATE"
	case s.Kiss == "DENY" || s.Kiss == "RSTR":
		return p.Deny, p.DenyCap, "kiss code " + s.Kiss
	case s.Kiss != "":
		return p.Unsound, none, "kiss code " + s.Kiss
	}
	step, limit = p.band(s.Offset)
	if why = unsound(s, p); why != "" {
		return p.Unsound, limit, why
	}
	return step, limit, "offset " + signed(s.Offset)
}

// Next moves a score by one check. It is pure; an Unmeasured sample moves
// nothing.
func Next(score float64, s Sample, p Profile) float64 {
	if s.Outcome == Unmeasured {
		return score
	}
	step, limit, _ := Judge(s, p)
	return max(WorstScore, min(score*p.Keep+step, limit, BestScore))
}

// unsound returns why the offset of an answer is not worth looking at, "" when
// it is.
func unsound(s Sample, p Profile) string {
	switch {
	case s.Stratum == 0:
		return "stratum 0 (unsynchronised)"
	case s.Stratum == 16:
		return "stratum 16 (unsynchronised)"
	case s.Stratum > lastStratum:
		return fmt.Sprintf("stratum %d", s.Stratum)
	case s.Leap == 3:
		return "leap 3: clock not synchronised"
	case s.Invalid != "":
		return s.Invalid
	case s.RootDistance > p.MaxRootDistance:
		return "root distance " + strings.TrimPrefix(signed(s.RootDistance), "+")
	case s.Stratum > p.MaxStratum && !p.far(s.Offset):
		return fmt.Sprintf("stratum %d", s.Stratum)
	}
	return ""
}

// tell joins what happened with its cause, where one is known.
func tell(what, cause string) string {
	if cause == "" {
		return what
	}
	return what + ": " + cause
}

// signed writes a duration the way operators say it: "+312 ms", "-2.1 s".
func signed(d time.Duration) string {
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
