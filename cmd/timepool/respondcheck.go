package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor/responder"
)

// announced is what the responder would say of its clock. Times are in seconds.
type announced struct {
	Synchronised   bool      `json:"synchronised"`
	Source         string    `json:"source"`
	Why            string    `json:"why,omitempty"` // what the sources before it said
	Stratum        uint8     `json:"stratum"`
	Leap           uint8     `json:"leap"`
	Reference      string    `json:"reference"`
	ReferenceTime  time.Time `json:"reference_time,omitzero"`
	RootDelay      float64   `json:"root_delay"`
	RootDispersion float64   `json:"root_dispersion"`
	Precision      int8      `json:"precision"`
	Smears         bool      `json:"smears"`   // leap seconds are spread over a day
	Smearing       float64   `json:"smearing"` // what that adds to the clock now

	Drains []responder.Drained `json:"drains,omitempty"` // why it is unsynchronised although its source answers
}

// announce asks the sources once and tells what would be announced and why.
func (f *respondFlags) announce(ctx context.Context, a *app) error {
	sources, err := f.sources()
	if err == nil {
		_, err = f.server()
	}
	if err != nil {
		return fail(exitUsage, err)
	}
	clock, err := f.clock(nil, sources)
	if err != nil {
		return fail(exitUsage, err)
	}
	clock.Poll(ctx)
	n := announcedBy(clock.Announced(), clock.Smear)
	if err = a.show(n, n.lines()); err == nil && !n.Synchronised {
		err = errUnsynchronised
	}
	return err
}

var errUnsynchronised = errors.New("unsynchronised: no client would take the time from here")

// announcedBy is is in the words of the API.
func announcedBy(is responder.Announcement, smears bool) announced {
	s := &is.State
	n := announced{
		Synchronised: s.Synchronised(), Source: is.Source, Stratum: s.Stratum, Leap: s.Leap, Reference: reference(s),
		ReferenceTime: s.RefTime.UTC(), RootDelay: s.RootDelay.Seconds(), RootDispersion: s.RootDispersion.Seconds(), Precision: s.Precision,
		Smears: smears, Smearing: s.Smearing.Seconds(), Drains: is.Drains,
	}
	if is.Why != nil {
		n.Why = is.Why.Error()
	}
	return n
}

func (n announced) lines() []string {
	since := "never"
	if n.Synchronised {
		since = n.ReferenceTime.Format(time.RFC3339)
	}
	rows := [][]string{
		{"source", cmp.Or(n.Source, "none answers")}, {"synchronised", strconv.FormatBool(n.Synchronised)},
		{"stratum", fmt.Sprint(n.Stratum)}, {"leap", fmt.Sprint(n.Leap)},
		{"reference", n.Reference}, {"reference time", since},
		{"root delay", seconds(n.RootDelay)}, {"root dispersion", seconds(n.RootDispersion)}, {"precision", seconds(math.Ldexp(1, int(n.Precision)))},
	}
	if n.Smears {
		rows = append(rows, []string{"leap smear", "now " + seconds(n.Smearing)})
	}
	if n.Why != "" {
		rows = append(rows, []string{"why", strings.ReplaceAll(n.Why, "\n", "; ")})
	}
	return aligned([]string{"ANNOUNCED", ""}, rows)
}

func seconds(s float64) string { return time.Duration(s * 1e9).String() }

// reference writes a reference identifier as its stratum has it read.
func reference(s *responder.State) string {
	id := []byte{byte(s.RefID >> 24), byte(s.RefID >> 16), byte(s.RefID >> 8), byte(s.RefID)}
	switch {
	case !s.Synchronised():
		return ""
	case s.Stratum == 1 && s.Smearing == 0:
		return strings.TrimRight(string(id), "\x00")
	}
	return netip.AddrFrom4([4]byte(id)).String()
}

// printConf writes what --print names.
func (f *respondFlags) printConf(w io.Writer) error {
	if f.print != "chrony-conf" {
		return fail(exitUsage, fmt.Errorf("--print %q: wants chrony-conf", f.print))
	}
	s, err := f.server()
	if err != nil {
		return fail(exitUsage, err)
	}
	who := ""
	for _, n := range s.Allow {
		who += fmt.Sprintf("allow %s\n", n)
	}
	who = cmp.Or(who, "allow\n")
	for _, n := range s.Deny {
		who += fmt.Sprintf("deny %s\n", n)
	}
	_, err = io.WriteString(w, chronyHead+who+chronyTail)
	return err
}

// chronyHead and chronyTail stand around the networks. chronyd, too, lets the
// longest network decide.
const chronyHead = `# A pool member whose own chronyd answers the clients; timepool respond is then
# not needed. Into chrony.conf, or a file in its conf.d.

# At least four sources, so that one wrong clock is outvoted and one may fail.
# Not members of this pool: a pool that follows itself follows nobody.
#server ntp1.upstream.example iburst
#server ntp2.upstream.example iburst
#server ntp3.upstream.example iburst
#server ntp4.upstream.example iburst
minsources 2

# Who is answered.
`

const chronyTail = `# 128 requests a second from one address: a whole site may be behind it.
ratelimit interval -7 burst 255 leak 2
# Remember 64,000 clients: for the limit, and for interleaved mode.
clientloglimit 8388608

# No command access but by the local socket.
cmdport 0

# Step only at the start, slew after; let the kernel know that it is in sync.
makestep 1 3
rtcsync
`
