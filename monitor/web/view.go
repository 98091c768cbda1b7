package web

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// View is what one request shows: a consistent look at the node that its
// maker never changes afterwards.
type View struct {
	Status
	Registry *zones.Registry  // in force
	Members  []monitor.Member // one per address, in the registry's order
}

// Status is what a node says of itself, on the page, in /api/v1/status and to
// `timepool status`.
type Status struct {
	Zone       string                 `json:"zone"`
	Version    string                 `json:"version"`
	Started    time.Time              `json:"started"`
	Generation uint64                 `json:"generation"` // of the registry: 1 is the first one loaded
	Serial     uint32                 `json:"serial"`     // of the SOA that is served
	Published  time.Time              `json:"published"`  // when what is answered was last built
	Answering  bool                   `json:"answering"`  // DNS sockets are open
	Listen     []netip.AddrPort       `json:"listen"`     // where
	Waiting    string                 `json:"waiting"`    // why the node should not be asked; "" when it should
	Addresses  int                    `json:"addresses"`  // of members
	In         int                    `json:"in"`         // of those, handed out now
	Vantage    string                 `json:"vantage"`    // where this node probes from
	Lag        time.Duration          `json:"lag_ns"`     // how late its probes are
	Monitor    monitor.Status         `json:"monitor"`
	Notices    []string               `json:"notices"`   // what is not as it should be, a sentence each
	Overrides  []zones.Override       `json:"overrides"` // that count now
	History    *monitor.HistoryStatus `json:"history"`   // null when members are not measured
	Reloads    []Reload               `json:"reloads"`   // newest first, as far as they are remembered
	Queries    map[string]uint64      `json:"queries"`   // by verdict, since the start
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

// Told is one address of a member, and the words for it.
type Told struct {
	monitor.Member
	Says []string `json:"says"`
}

// told returns the addresses of the member with that name, or the one address.
func (v View) told(name string, now time.Time) (found []Told, err error) {
	for _, m := range v.Members {
		if m.Name == name || m.Address.String() == name {
			found = append(found, Told{m, m.Lines(now)})
		}
	}
	if found == nil {
		err = nowhere{fmt.Errorf("member %s: the registry has none of that name or address", name)}
	}
	return found, err
}

// CountIn counts the addresses that are handed out now.
func CountIn(members []monitor.Member) (n int) {
	for i := range members {
		if members[i].In {
			n++
		}
	}
	return n
}
