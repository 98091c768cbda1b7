package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/responder"
)

// respondStatus is what a responder says of itself. Times are in seconds.
type respondStatus struct {
	Version        string    `json:"version"`
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

	Drains  []responder.Drained `json:"drains,omitempty"` // why it is unsynchronised although its source answers
	Asking  int                 `json:"asking"`           // clients of the last minute or two, about; counted while drained
	Packets map[string]uint64   `json:"packets"`          // by verdict, since the start
}

func (r *responding) status() respondStatus {
	is := r.clock.Announced()
	a := &is.State
	s := respondStatus{
		Version: buildVersion(), Synchronised: a.Synchronised(), Source: is.Source, Stratum: a.Stratum, Leap: a.Leap,
		ReferenceTime: a.RefTime.UTC(), RootDelay: a.RootDelay.Seconds(), RootDispersion: a.RootDispersion.Seconds(), Precision: a.Precision,
		Smears: r.clock.Smear, Smearing: a.Smearing.Seconds(), Drains: is.Drains, Asking: is.Asking(), Packets: make(map[string]uint64),
	}
	if is.Why != nil {
		s.Why = is.Why.Error()
	}
	switch {
	case a.Smearing != 0: // the reference looks like an address then
		s.Reference = monitor.RefIDText(a.RefID, 2)
	case s.Synchronised:
		s.Reference = monitor.RefIDText(a.RefID, a.Stratum)
	}
	for v, n := range r.server.Counters() {
		s.Packets[responder.Verdict(v).String()] = n
	}
	return s
}

// announced tells the clock in one line: "stratum 1 from GPS, within 2ms (stated reference)".
func (s *respondStatus) announced() string {
	text := "unsynchronised"
	switch {
	case len(s.Drains) > 0:
		text = fmt.Sprintf("drained until %s by %s", s.Drains[0].Until.Local().Format("2006-01-02 15:04"), s.Drains[0].By)
	case s.Synchronised:
		text = fmt.Sprintf("stratum %d from %s, within %s", s.Stratum, s.Reference, seconds(s.RootDelay/2+s.RootDispersion))
	}
	if s.Smears {
		text += ", leap smear now " + seconds(s.Smearing)
	}
	return fmt.Sprintf("%s (%s)", text, cmp.Or(s.Source, "no source answers"))
}

// line tells it all in one.
func (s respondStatus) line() string {
	asking, p := "", s.Packets
	if len(s.Drains) > 0 {
		asking = fmt.Sprintf("; about %d clients still ask", s.Asking)
	}
	return fmt.Sprintf("%s%s; %d answered, %d over the limit", s.announced(), asking,
		p["answered"]+p["passive"]+p["interleaved"], p["kissed"]+p["limited"])
}

// reasons tells the clock and why it is announced like that.
func (s *respondStatus) reasons() []string {
	lines := []string{s.announced(), fmt.Sprintf("leap %d, root delay %s, root dispersion %s", s.Leap, seconds(s.RootDelay), seconds(s.RootDispersion))}
	if !s.ReferenceTime.IsZero() {
		lines[1] += ", reference time " + s.ReferenceTime.Format(time.RFC3339)
	}
	if s.Why != "" {
		lines = append(lines, "why: "+strings.ReplaceAll(s.Why, "\n", "; "))
	}
	return lines
}

// unfit is an error where no client would take the time, and nobody meant that.
func (s *respondStatus) unfit() error {
	if !s.Synchronised && len(s.Drains) == 0 {
		return errors.New("unsynchronised: no client would take the time from here")
	}
	return nil
}

func seconds(s float64) string { return time.Duration(s * 1e9).String() }

func (r *responding) metrics(s scrape) {
	is := r.status()
	drained := len(is.Drains) > 0
	for verdict, n := range is.Packets {
		s.count("respond_packets_total", "Packets by what became of them.", float64(n), "verdict", verdict)
	}
	s.gauge("respond_synchronised", "1 where it announces a clock to follow.", bit(is.Synchronised && !drained))
	s.gauge("respond_drained", "1 while it announces itself unsynchronised so that its clients leave.", bit(drained))
	s.gauge("respond_clients_asking", "Clients of the last minute or two, about; counted while drained.", float64(is.Asking))
	s.gauge("respond_stratum", "Stratum announced; 16 unsynchronised.", float64(is.Stratum))
	s.gauge("respond_leap", "Leap indicator announced: 1 a second is inserted, 2 deleted, 3 unsynchronised.", float64(is.Leap))
	s.gauge("respond_smearing_seconds", "What smearing a leap second adds to the clock.", is.Smearing)
	s.gauge("respond_root_delay_seconds", "Root delay announced.", is.RootDelay)
	s.gauge("respond_root_dispersion_seconds", "Root dispersion announced when it was last asked for.", is.RootDispersion)
}
