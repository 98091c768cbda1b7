package zones

import (
	"net/netip"
	"time"
)

// Registry is everything the operators say of the pool. Load makes it; nothing
// changes it afterwards, so it is shared without a lock.
type Registry struct {
	Zone    Zone
	Sites   []Site   // sorted by name
	Members []Member // pool.yaml first, then members.d/*.yaml by file name
	Pools   []Pool   // Pools[0] is the whole pool, Name ""; tenants follow, sorted by name

	Files    []string // the files that were read, pool.yaml first
	Digest   [32]byte // SHA-256 over the names and contents of Files
	Warnings []string // "file:line:col: path: what", not faults
}

// Zone is the delegated zone and what holds for every name in it.
type Zone struct {
	Name        string   // lower case, no trailing dot: "pool.example"
	Also        []string // further apexes served from the same decks
	Nameservers []Nameserver
	Contact     string        // mailbox, as written: "hostmaster@example.org"
	TTL         time.Duration // of pool answers, 1 s … 1 d; default 150 s
	NegativeTTL time.Duration // of NXDOMAIN and NODATA, default 30 s
	Answers     int           // addresses in one answer, 1 … 16; default 4
	Floor       int           // widen a place until this many members are there; default 4
	Serial      uint32        // fixed SOA serial; 0: it moves by itself
	Default     string        // site taken for clients that nothing places; "" for none
	ECS         ECS
}

// Nameserver is one NS of the zone. In-zone names must have Addresses (glue).
type Nameserver struct {
	Name      string // lower case, no trailing dot
	Addresses []netip.Addr
}

// ECS says whose EDNS client subnet (RFC 7871) is believed.
type ECS struct {
	On      bool           // believed from everybody when Trusted is empty
	Trusted []netip.Prefix // when set: believed only from these sources
}

// Site is one location of the organisation.
type Site struct {
	Name      string // one DNS label
	Continent string // one of Continents
	Country   string // ISO 3166 alpha-2, lower case
	At        Point
	Networks  []netip.Prefix // masked; no prefix stands in two sites
}

// State is what the operators want of a member.
type State uint8

// The states of a member. Only Active members are handed out; all but Off are
// probed.
const (
	Active  State = iota
	Drain         // out of new answers, still probed
	Off           // neither handed out nor probed
	Monitor       // probed and scored only, never handed out
)

// Member is one NTP server host. Each of its addresses is probed and scored
// apart.
type Member struct {
	Name      string
	Addresses []netip.Addr // at least one; unique in the registry
	Site      string       // "" when the Atlas has to place it
	Netspeed  int          // relative weight, kbit/s by custom; default 1000; 0 is monitor-only
	State     State
	Reason    string // why State is not active, free text
	Tags      []string
	Line      string // "pool.yaml:41", for messages
}

// Pool is the whole pool (Name "") or a tenant's: the members that carry one
// of Tags, under a name of its own below the apex.
type Pool struct {
	Name    string        // "" or one DNS label
	Tags    []string      // empty only for the whole pool
	TTL     time.Duration // the zone's unless given
	Answers int           // the zone's unless given
	Floor   int           // the zone's unless given
}

// Has reports whether m belongs to the pool.
func (p Pool) Has(m *Member) bool {
	if len(p.Tags) == 0 {
		return true
	}
	for _, t := range p.Tags {
		for _, mt := range m.Tags {
			if t == mt {
				return true
			}
		}
	}
	return false
}
