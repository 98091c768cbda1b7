package main

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// notices says what is not as it should be with g in force, of the pools nothing
// before DNS is open.
func (n *node) notices(g *generation, s monitor.Status) []string {
	lines := doubts(s)
	if n.history != nil {
		if s := n.history.Status(); s.Failing != "" {
			lines = append(lines, "History cannot be written, it is kept in memory: "+s.Failing+".")
		} else if s.Recovered != "" {
			lines = append(lines, "History: "+s.Recovered+".")
		}
	}
	if l := g.leaps; l != nil && time.Now().After(l.Expires) {
		lines = append(lines, "Leap file: it expired on "+l.Expires.Format(time.DateOnly)+", so leap seconds to come are not known.")
	}
	if !n.dnsOpen.Load() {
		return lines
	}
	stats := g.snapshot.Stats()
	for _, l := range stats.Resort {
		lines = append(lines, "Last resort: "+l.String()+": nobody is in, so members that merely fell silent are handed out.")
	}
	for _, l := range stats.Empty {
		if meant(g.registry, l) {
			lines = append(lines, "Nobody: "+l.String()+": no member may be handed out.")
		}
	}
	return lines
}

// doubts are the monitor's own notices.
func doubts(s monitor.Status) []string {
	lines := []string{} // not nil: JSON wants [] and not null
	switch {
	case s.Frozen:
		lines = append(lines, "Frozen, so that no score moves: "+strings.TrimPrefix(s.Warning, "frozen: ")+".")
	case len(s.Lost) > 0:
		lines = append(lines, "Frozen over "+s.Lost[0]+", so that no score moves there: "+strings.TrimPrefix(s.Warning, "frozen: ")+".")
	case s.Warning != "":
		lines = append(lines, s.Warning)
	}
	if s.Booting {
		lines = append(lines, "Booting: nobody has ever reached a score of 10, so members whose every check was good are handed out early.")
	}
	return lines
}

// meant reports whether the registry has anybody to hand out in that pool and
// family: many an organisation has no IPv6, and nothing is wrong then.
func meant(r *zones.Registry, l resolver.Line) bool {
	pool := r.Pools[slices.IndexFunc(r.Pools, func(p zones.Pool) bool { return p.Name == l.Pool })]
	for i := range r.Members {
		m := &r.Members[i]
		if m.Servable() && pool.Has(m) && slices.ContainsFunc(m.Addresses, func(a netip.Addr) bool { return a.Is6() == l.IPv6 }) {
			return true
		}
	}
	return false
}

// tellChanges logs what became of the notices and of the monitor's trust in
// itself since told, each once, and returns what holds now.
func (n *node) tellChanges(told []string) []string {
	g := n.inForce.Load()
	s := n.monitorStatus(g)
	now := append(n.notices(g, s), s.Truth.Warnings...)
	for _, line := range now {
		if !slices.Contains(told, line) {
			n.log.Warn("notice", "says", line)
		}
	}
	for _, line := range told {
		if !slices.Contains(now, line) {
			n.log.Info("notice is over", "said", line)
		}
	}
	return now
}
