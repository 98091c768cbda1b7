package web

import (
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
	Ready      error // why the node should not be asked yet; nil when it should
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
