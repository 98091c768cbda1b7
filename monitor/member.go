package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/timepool/timepool/zones"
)

// Member is one address of one member as people ask about it: what the
// registry wants of it and what the Board found, in one line.
type Member struct {
	Name     string        `json:"name"`
	Address  netip.Addr    `json:"address"`
	Site     string        `json:"site"`
	State    string        `json:"state"` // active, drain, off, monitor
	Netspeed int           `json:"netspeed"`
	Score    float64       `json:"score"`
	In       bool          `json:"in"`    // handed out now
	Since    time.Time     `json:"since"` // when In last changed
	Why      string        `json:"why"`
	Checked  time.Time     `json:"checked"` // last check; zero before the first
	Offset   time.Duration `json:"offset_ns"`
	RTT      time.Duration `json:"rtt_ns"`
	Stratum  uint8         `json:"stratum"`
	Leap     uint8         `json:"leap"`
	RefID    string        `json:"refid"`
	Lost     int           `json:"lost"` // unanswered exchanges of the last check
	Outcome  string        `json:"outcome"`
	Timed    bool          `json:"timed"`    // the last check told the time: offset, round trip and root distance mean something
	Paused   bool          `json:"paused"`   // in a maintenance window: the score stands, alerts are muted
	Standing string        `json:"standing"` // in, resort, out: the Board's verdict before the registry's wishes

	Fault        Fault         `json:"fault"` // "" when nothing is wrong
	Found        string        `json:"found"` // the last check in one line
	RootDistance time.Duration `json:"root_distance_ns"`
	Sent         int           `json:"sent"`    // requests of the last check
	Checks       int           `json:"checks"`  // that moved the score, ever
	Bad          int           `json:"bad"`     // of those, not good
	Missed       int           `json:"missed"`  // unanswered checks in a row
	Back         time.Duration `json:"back_ns"` // how long until it is in, if every check is good from now on; 0 when it is
}

// Status is what the Board says of itself.
type Status struct {
	Frozen  bool     `json:"frozen"`  // no score moves: this vantage does not trust itself
	Lost    []string `json:"lost"`    // the address families of which no score moves: "ipv4", "ipv6", both when Frozen
	Booting bool     `json:"booting"` // no member ever reached 10: good ones are served early
	Resort  bool     `json:"resort"`  // members that fell silent are served, as nobody of a pool and family is in: for who knows the pools to say
	Warning string   `json:"warning"` // one line, "" when all is well
	Truth   Truth    `json:"truth"`   // what the members' answers say of one another
}

// Members returns one line for every address of every member, in the
// registry's order. Of several Rows of one address the latest is shown. Where
// nobody of a family is In, those that merely fell silent are.
func Members(reg *zones.Registry, scores zones.Scores, rows []Row) []Member {
	last := make(map[netip.Addr]Row, len(rows))
	for _, r := range rows {
		if old, ok := last[r.Addr]; !ok || r.Time.After(old.Time) {
			last[r.Addr] = r
		}
	}
	var out []Member
	var served [2]bool // a family has somebody In
	for i := range reg.Members {
		m := &reg.Members[i]
		for _, a := range m.Addresses {
			l := member(m, a, scores[a], last[a])
			served[family(a)] = served[family(a)] || l.In
			out = append(out, l)
		}
	}
	for i := range out {
		l := &out[i]
		l.In = l.In || !served[family(l.Address)] && l.Standing == standingWords[zones.Resort] &&
			l.State == zones.Active.String() && l.Netspeed > 0
	}
	return out
}

func family(a netip.Addr) int { return truth(a.Unmap().Is6()) }

func member(m *zones.Member, a netip.Addr, s zones.Score, r Row) Member {
	l := Member{
		Name: m.Name, Address: a, Site: m.Site, Netspeed: m.Netspeed, Paused: m.Paused,
		State: m.State.String(), Standing: standingWords[s.Standing],
		Score: s.Value, In: s.Standing == zones.In, Since: s.Since, Why: s.Why,
		Checked: r.Time, Offset: r.Offset, RTT: r.RTT, Stratum: r.Stratum, Leap: r.Leap, Lost: r.Lost,
		Fault: Fault(s.Fault), Back: s.Back, Found: r.Why, RootDistance: r.RootDistance, Sent: r.Sent, Checks: r.Checks, Bad: r.Bad, Missed: r.Missed,
	}
	if !r.Time.IsZero() {
		l.Outcome, l.Timed = outcomeWords[r.Outcome], r.Timed()
	}
	if r.Outcome == Answered && !r.Time.IsZero() {
		l.RefID = RefIDText(r.RefID, r.Stratum)
	}
	switch {
	case unserved[m.State] != "":
		l.In, l.Why = false, unserved[m.State]
		if m.Reason != "" {
			l.Why += ": " + m.Reason
		}
	case m.Netspeed == 0:
		l.In, l.Why = false, "netspeed 0: scored, never handed out"
	}
	return l
}

var faultWords = map[Fault]string{
	SilentFault:    "no answer comes",
	WrongFault:     "its time is not right",
	Unsynchronised: "it says itself that it does not know the time",
	FarFault:       "it is too far from its source of time",
	LimitedFault:   "it wants to be asked less, or not at all",
	LocalFault:     "another vantage finds it good, so look at the way there",
}

var (
	unserved      = [...]string{zones.Drain: "drained", zones.Off: "off", zones.Monitor: "monitor only", zones.Fallback: ""}
	standingWords = [...]string{zones.Out: "out", zones.Resort: "resort", zones.In: "in"}
	outcomeWords  = [...]string{Answered: "answered", Silent: "silent", Unmeasured: "unmeasured", 3: "unknown"}
)

// String is the outcome in a word: answered, silent, unmeasured.
func (o Outcome) String() string { return outcomeWords[o&3] }

// RefIDText writes a reference identifier as RFC 5905 §7.3 has it read: for
// stratum 0 and 1 up to four ASCII characters, else an IPv4 address (or the
// first four octets of a hash that looks like one).
func RefIDText(id uint32, stratum uint8) string {
	b := [4]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
	if stratum > 1 {
		return netip.AddrFrom4(b).String()
	}
	text := make([]byte, 0, 4)
	for _, c := range b {
		if c > ' ' && c < 0x7f {
			text = append(text, c)
		}
	}
	return string(text)
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
	case m.State != zones.Active.String() && m.State != zones.Fallback.String():
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
			OffsetText(m.Offset), length(m.RTT), length(m.RootDistance), m.Stratum, m.Leap, cmp.Or(m.RefID, "none")))
	} else {
		parts = append(parts, m.Found)
	}
	if m.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d questions unanswered", m.Lost, m.Sent))
	}
	return strings.Join(parts, ", ")
}
