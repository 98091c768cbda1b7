package monitor

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/timepool/timepool/zones"
)

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

var faultWords = map[Fault]string{
	SilentFault:    "no answer comes",
	WrongFault:     "its time is not right",
	Unsynchronised: "it says itself that it does not know the time",
	FarFault:       "it is too far from its source of time",
	LimitedFault:   "it wants to be asked less, or not at all",
	LocalFault:     "another vantage finds it good, so look at the way there",
}

// fault names what is wrong as the vantage here sees it.
func (m Merged) fault(here string) Fault {
	bad := m.any(func(r Aged) bool { return r.Vantage == here && r.Fault != "" })
	if bad && m.any(func(r Aged) bool { return r.Vantage != here && r.Good }) {
		return LocalFault
	}
	return m.Fault
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

// Lines tells the whole story of an address: the same words on the command
// line, on the page, in JSON and in the DNS. Each line is whole by itself.
func (m *Member) Lines(now time.Time) []string {
	verdict := "out"
	switch {
	case m.In && m.Standing == standingWords[zones.Resort]:
		verdict = "handed out as a last resort"
	case m.In:
		verdict = "in"
	}
	head := fmt.Sprintf("%s %s, %s: %s", m.Name, m.Address, cmp.Or(m.Site, "no site"), verdict)
	if !m.Since.IsZero() {
		head += fmt.Sprintf(" since %s, %s", m.Since.UTC().Format(time.RFC3339), about(max(0, now.Sub(m.Since))))
	}
	lines := []string{fmt.Sprintf("%s, score %.1f: %s", head, m.Score, m.Why)}
	if m.Fault != "" {
		lines = append(lines, fmt.Sprintf("fault: %s: %s: %s", m.Fault, faultWords[m.Fault], m.Found))
	}
	if !m.Checked.IsZero() {
		lines = append(lines, fmt.Sprintf("last check %s ago: %s", about(max(0, now.Sub(m.Checked))), m.numbers()),
			fmt.Sprintf("checks: %d, %d of them not good, %d unanswered in a row", m.Checks, m.Bad, m.Missed))
	}
	switch {
	case m.In:
	case m.State != stateWords[zones.Active] && m.State != stateWords[zones.Fallback]:
		lines = append(lines, "back: when the registry no longer says "+m.State)
	case m.Netspeed == 0:
		lines = append(lines, "back: when the registry gives it a netspeed")
	case m.Back > 0:
		lines = append(lines, fmt.Sprintf("back: in about %s if every check is good from now on", about(m.Back)))
	}
	return lines
}

// numbers are those of the last check.
func (m *Member) numbers() string {
	var parts []string
	if m.Timed {
		parts = append(parts, fmt.Sprintf("offset %s, round trip %s, root distance %s, stratum %d, leap %d, refid %s",
			signed(m.Offset), length(m.RTT), length(m.RootDistance), m.Stratum, m.Leap, cmp.Or(m.RefID, "none")))
	} else {
		parts = append(parts, m.Found)
	}
	if m.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d questions unanswered", m.Lost, m.Sent))
	}
	return strings.Join(parts, ", ")
}

// length writes a duration that has no sign.
func length(d time.Duration) string { return strings.TrimPrefix(signed(d), "+") }
