package zones

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/timepool/timepool/zones/strict"
)

// Registry is everything the operators say of the pool. Load makes it; nothing
// changes it afterwards, so it is shared without a lock. The tags are the form
// of the file; package strict tells how to read them.
type Registry struct {
	Zone    Zone     `yaml:"zone,required" doc:"The delegated zone and what holds for every name in it."`
	Sites   []Site   `yaml:"sites" doc:"Locations by name; each is a name below the apex."` // sorted by name
	Members []Member `yaml:"members" doc:"The NTP servers; more of them may stand in members.d/*.yaml."`
	Pools   []Pool   `yaml:"pools" doc:"Names of their own for teams, by name: dmz.pool.example, 0.dmz.pool.example …"` // Pools[0] is the whole pool, Name ""; tenants follow, sorted by name

	Files    []string `yaml:"-"` // the files that were read, as faults name them: "pool.yaml", then "members.d/a.yaml"
	Digest   [32]byte `yaml:"-"` // SHA-256 over the names and contents of Files
	Warnings []string `yaml:"-"` // "file:line:col: path: what", not faults
}

// Zone is the delegated zone and what holds for every name in it.
type Zone struct {
	Name        string        `yaml:"name,required" max:"253" form:"domain" doc:"The apex, as delegated: pool.example"`
	Also        []string      `yaml:"also" form:"domain" doc:"Further apexes that answer the same."`
	Nameservers []Nameserver  `yaml:"nameservers,required" min:"1" max:"13" doc:"The zone's name servers; those below the apex with their addresses (glue), others with []."`
	Contact     string        `yaml:"contact" max:"250" form:"mailbox" doc:"Who answers for the zone; hostmaster@ the zone unless given."` // as written
	TTL         time.Duration `yaml:"ttl" default:"150s" min:"1s" max:"24h" doc:"Of the pool's answers, in whole seconds."`
	NegativeTTL time.Duration `yaml:"negative_ttl" default:"30s" min:"0s" max:"3h" doc:"Of answers that there is no such name or address, in whole seconds."`
	Answers     int           `yaml:"answers" default:"4" min:"1" max:"16" doc:"Addresses in one answer."`
	Floor       int           `yaml:"floor" default:"4" min:"1" max:"1000" doc:"Widen beyond the asked place until this many members are there."`
	Serial      uint32        `yaml:"serial" doc:"A fixed SOA serial, so that all nodes agree; 0: it moves by itself."`
	Default     string        `yaml:"default" doc:"The site of clients that neither the sites' networks nor GeoIP place."` // "" for none
	ECS         ECS           `yaml:"ecs" default:"on" enum:"on off" doc:"Whose EDNS client subnet is believed: on (everybody's), off, or {trusted: [networks]}."`
}

// Nameserver is one NS of the zone. In-zone names must have Addresses (glue);
// others have none.
type Nameserver struct {
	Name      string       `yaml:",key" max:"253" form:"domain"`
	Addresses []netip.Addr `yaml:",value" max:"16"`
}

// ECS says whose EDNS client subnet (RFC 7871) is believed.
type ECS struct {
	On      bool           `yaml:"-"` // believed from everybody when Trusted is empty
	Trusted []netip.Prefix `yaml:"trusted,required" min:"1" doc:"Believe these resolvers only."`
}

// Site is one location of the organisation.
type Site struct {
	Name      string         `yaml:",key" form:"label"`
	Continent string         `yaml:"continent" enum:"africa antarctica asia europe north-america oceania south-america" doc:"The country's unless given."` // one of Continents
	Country   string         `yaml:"country" pattern:"^[a-z]{2}$" is:"a country code of two letters in lower case" doc:"ISO 3166 alpha-2, or uk."`
	At        Point          `yaml:"at" doc:"Latitude and longitude in degrees; the middle of the country unless given."`
	Networks  []netip.Prefix `yaml:"networks" doc:"Who is here: clients and members with these addresses. The longest network wins."` // masked; no prefix stands in two sites
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
	Name      string       `yaml:"name,required" max:"253" form:"domain" doc:"What people call it: ntp1.fra"`
	Addresses []netip.Addr `yaml:"addresses,required" min:"1" max:"64" doc:"IPv4 and IPv6, each probed and scored apart."` // unique in the registry
	Site      string       `yaml:"site" doc:"One of sites; without, its addresses say where it is."`                       // "" when the Atlas has to place it
	Netspeed  int          `yaml:"netspeed" default:"1000" min:"0" max:"1000000000" doc:"Share of the answers relative to the others, in kbit/s by custom; 0: probed only."`
	State     State        `yaml:"state" default:"active" enum:"active drain off monitor" doc:"drain: not handed out, still probed; off: neither; monitor: never handed out, probed."`
	Reason    string       `yaml:"reason" max:"200" doc:"Why the state is not active, for people."`
	Tags      []string     `yaml:"tags" max:"64" form:"tag" doc:"What pools choose by."`
	Line      string       `yaml:"-"` // "pool.yaml:41", for messages
}

// Pool is the whole pool (Name "") or a tenant's: the members that carry one
// of Tags, under a name of its own below the apex.
type Pool struct {
	Name    string        `yaml:",key" form:"label"`
	Tags    []string      `yaml:"tags,required" min:"1" max:"64" form:"tag" doc:"Members with one of these are in it."` // empty only for the whole pool
	TTL     time.Duration `yaml:"ttl" min:"1s" max:"24h" doc:"The zone's unless given, in whole seconds."`
	Answers int           `yaml:"answers" min:"1" max:"16" doc:"The zone's unless given."`
	Floor   int           `yaml:"floor" min:"1" max:"1000" doc:"The zone's unless given."`
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

var states = [...]string{Active: "active", Drain: "drain", Off: "off", Monitor: "monitor"}

var (
	_ encoding.TextUnmarshaler = (*State)(nil)
	_ encoding.TextUnmarshaler = (*ECS)(nil)
	_ strict.Shaped            = (*Point)(nil)
)

// String is the state as the registry writes it.
func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText is String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes active, drain, off and monitor.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(states[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no state: active, drain, off or monitor", text)
	}
	*s = State(i)
	return nil
}

// UnmarshalText takes on and off.
func (e *ECS) UnmarshalText(text []byte) error {
	if string(text) != "on" && string(text) != "off" {
		return errors.New("wants on, off or {trusted: [networks]}")
	}
	*e = ECS{On: string(text) == "on"}
	return nil
}

// latLon is how a Point is written.
type latLon struct {
	Lat float64 `yaml:"latitude,item" min:"-90" max:"90"`
	Lon float64 `yaml:"longitude,item" min:"-180" max:"180"`
}

// Shape is [latitude, longitude] in degrees, north and east positive.
func (p *Point) Shape() any { return &latLon{} }

// Take takes over what was written.
func (p *Point) Take(shape any) error {
	at := shape.(*latLon)
	*p = Point{Lat: at.Lat, Lon: at.Lon, Known: true}
	return nil
}
