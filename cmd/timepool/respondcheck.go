package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/timepool/timepool/monitor"
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

// check asks the sources once and tells what would be announced and why.
func (r *responding) check(ctx context.Context, a *app) error {
	r.clock.Poll(ctx)
	n := announcedBy(r.clock.Announced(), r.clock.Smear)
	lines := []string{
		n.line(),
		fmt.Sprintf("leap %d, root delay %s, root dispersion %s, reference time %s", n.Leap, seconds(n.RootDelay), seconds(n.RootDispersion), n.ReferenceTime.Format(time.RFC3339)),
	}
	if n.Why != "" {
		lines = append(lines, "why: "+strings.ReplaceAll(n.Why, "\n", "; "))
	}
	return errors.Join(a.show(n, lines), n.unfit())
}

// unfit is an error where no client would take the time.
func (n announced) unfit() error {
	if !n.Synchronised && len(n.Drains) == 0 {
		return errUnsynchronised
	}
	return nil
}

// line tells it in one: "stratum 1 from GPS, within 2ms (stated reference)".
func (n announced) line() string {
	text := "unsynchronised"
	switch {
	case len(n.Drains) > 0:
		text = fmt.Sprintf("drained until %s by %s", n.Drains[0].Until.Local().Format("2006-01-02 15:04"), n.Drains[0].By)
	case n.Synchronised:
		text = fmt.Sprintf("stratum %d from %s, within %s", n.Stratum, n.Reference, seconds(n.RootDelay/2+n.RootDispersion))
	}
	if n.Smears {
		text += ", leap smear now " + seconds(n.Smearing)
	}
	return fmt.Sprintf("%s (%s)", text, cmp.Or(n.Source, "no source answers"))
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

func seconds(s float64) string { return time.Duration(s * 1e9).String() }

// reference writes a reference identifier as its stratum has it read; while
// leap seconds are smeared it looks like an address.
func reference(s *responder.State) string {
	switch {
	case !s.Synchronised():
		return ""
	case s.Smearing != 0:
		return monitor.RefIDText(s.RefID, 2)
	}
	return monitor.RefIDText(s.RefID, s.Stratum)
}

// chronyConf is for a member whose own chronyd answers. chronyd, too, lets the
// longest network decide.
//
//go:embed chrony.conf
var chronyConf string

// printConf writes what --print names.
func (f *respondFlags) printConf(w io.Writer) error {
	if f.print != "chrony-conf" {
		return fail(exitUsage, fmt.Errorf("--print %q: wants chrony-conf", f.print))
	}
	return template.Must(template.New("").Parse(chronyConf)).Execute(w, &f.server)
}
