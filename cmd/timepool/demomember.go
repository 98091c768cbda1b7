package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor/responder"
	"github.com/timepool/timepool/zones"
)

// demoFaults are the members that are bad from the start: silent, unsync, or by
// how much their clock is wrong.
var demoFaults = map[string]string{"ntp3.fra": "300ms", "ntp3.nyc": "silent", "ntp3.tyo": "unsync"}

// demoMember is a built-in responder that can be spoiled.
type demoMember struct {
	name      string
	addresses []netip.Addr
	server    *responder.Server
	fault     atomic.Pointer[string] // as demoFaults have them; "" none
}

// demoMembers are the members of the demonstration.
type demoMembers []*demoMember

// openDemoMembers starts a responder on a free port of 127.0.0.1 for each member.
func openDemoMembers(r *zones.Registry) (d demoMembers, err error) {
	precision := responder.Precision()
	for _, registered := range r.Members {
		m := &demoMember{name: registered.Name, addresses: registered.Addresses}
		fault := demoFaults[m.name]
		m.fault.Store(&fault)
		m.server = &responder.Server{
			Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
			State:  func() *responder.State { return m.state(precision) },
		}
		if err := m.server.Open(); err != nil {
			d.close()
			return nil, fmt.Errorf("demo member %s: %w", m.name, err)
		}
		d = append(d, m)
	}
	return d, nil
}

// state is what the member announces: a stratum 1 that is right, but for its
// fault; nil is silence.
func (m *demoMember) state(precision int8) *responder.State {
	s := responder.State{Stratum: 1, RefID: demoRefID, Precision: precision, RefTime: time.Now().Add(-time.Second), RootDispersion: time.Millisecond}
	switch fault := *m.fault.Load(); fault {
	case "silent":
		return nil
	case "unsync":
		s = responder.Unsynchronised()
	default:
		s.Offset, _ = time.ParseDuration(fault) // "" is none
	}
	return &s
}

// demoRefID is "DEMO".
const demoRefID = 'D'<<24 | 'E'<<16 | 'M'<<8 | 'O'

// probeMap sends the probes of every member address to its responder.
func (d demoMembers) probeMap() []ProbeMapping {
	var mapped []ProbeMapping
	for _, m := range d {
		for _, addr := range m.addresses {
			mapped = append(mapped, ProbeMapping{addr, m.server.Addrs()[0]})
		}
	}
	return mapped
}

func (d demoMembers) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range d {
		g.Go(func() error { return m.server.Run(ctx) })
	}
	return g.Wait()
}

func (d demoMembers) close() {
	for _, m := range d {
		m.server.Close()
	}
}

// handleFault answers POST demo?name=…&fault=…: it gives the member of that name
// the fault; "" means all of them.
func (d demoMembers) handleFault(w http.ResponseWriter, r *http.Request) {
	name, fault := r.FormValue("name"), r.FormValue("fault")
	says := map[string]string{"": "is well", "silent": "is silent", "unsync": "says that it is not synchronised"}[fault]
	if says == "" {
		says = "is wrong by " + fault
	}
	var said, names []string
	for _, m := range d {
		names = append(names, m.name)
		if name == "" || name == m.name {
			m.fault.Store(&fault)
			said = append(said, m.name+" "+says)
		}
	}
	if said == nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("member %s: the demonstration has %s", name, strings.Join(names, ", ")))
		return
	}
	reply(w, said)
}
