package web

import (
	"net/netip"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// View is what one request shows: a consistent look at the node that its
// maker never changes afterwards.
type View struct {
	Registry   *zones.Registry  // nil before the first one is loaded
	Members    []monitor.Member // one per address, in the registry's order
	Status     monitor.Status
	Notices    []string // pools on their last resort, or empty: a sentence each
	Generation uint64   // of the registry: 1 is the first one loaded
	Serial     uint32   // of the SOA that is served
	Version    string
	Started    time.Time
	Published  time.Time // when what is answered was last built
	Ready      error     // why the node should not be asked yet; nil when it should

	Vantage string           // where this node probes from
	Lag     time.Duration    // how late its probes are
	Listen  []netip.AddrPort // where DNS is answered; none until it is
	Queries map[string]uint64
	Reloads []Reload // newest first, as far as they are remembered

	Overrides []zones.Override // that count now
}

// Reload is what became of an edit of the registry.
type Reload struct {
	Time       time.Time `json:"time"`
	Accepted   bool      `json:"accepted"`
	Generation uint64    `json:"generation"` // in force after it
	Changes    []string  `json:"changes"`    // when accepted
	Waits      bool      `json:"waits"`      // refused only because it would lose too much: --force takes it
	Why        string    `json:"why"`        // when refused
}

// named returns the addresses of the member with that name.
func (v View) named(name string) []monitor.Member {
	found := []monitor.Member{} // not nil: JSON wants [] and not null
	for _, m := range v.Members {
		if m.Name == name {
			found = append(found, m)
		}
	}
	return found
}

// in counts the addresses that are handed out now.
func in(members []monitor.Member) int {
	n := 0
	for _, m := range members {
		if m.In {
			n++
		}
	}
	return n
}

// zone is the pool's name, "" before a registry is loaded.
func (v View) zone() string {
	if v.Registry == nil {
		return ""
	}
	return v.Registry.Zone.Name
}
