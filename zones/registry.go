package zones

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Registry is everything the operators say of the pool. Load makes it; nothing
// changes it afterwards, so it is shared without a lock. The tags are the form
// of the file; package strict tells how to read them.
type Registry struct {
	Zone        Zone         `yaml:"zone,required" doc:"The delegated zone and what holds for every name in it."`
	Sites       []Site       `yaml:"sites" max:"65535" doc:"Locations by name; each is a name below the apex."` // sorted by name
	Members     []Member     `yaml:"members" doc:"The NTP servers; more of them may stand in members.d/*.yaml."`
	Prefer      []Preference `yaml:"prefer" doc:"By site: the sites that are nearest to it whatever the map says, nearest first."`
	Profiles    []Profile    `yaml:"profiles" doc:"Ways to judge clocks, by name, beside lan and ntppool, for zone.profile."`
	Maintenance []Window     `yaml:"maintenance" doc:"Times in which members are worked on, by name."`
	Pools       []Pool       `yaml:"pools" doc:"Names of their own for teams, by name: dmz.pool.example, 0.dmz.pool.example …"` // Pools[0] is the whole pool, Name ""; tenants follow, sorted by name

	Records     []Record     `yaml:"records" doc:"What stands beside the pool: TXT, MX, SRV, CAA, CNAME, PTR and addresses of other names."`
	Delegations []Delegation `yaml:"delegations" doc:"Names below zone.name (not below those of also) that other name servers answer for."`

	Files    []string `yaml:"-"` // the files that were read, as faults name them: "pool.yaml", then "members.d/a.yaml"
	Digest   [32]byte `yaml:"-"` // SHA-256 over the names and contents of Files
	Warnings []string `yaml:"-"` // "file:line:col: path: what", not faults
}

// Zone is the delegated zone and what holds for every name in it.
type Zone struct {
	Name          string        `yaml:"name,required" max:"118" form:"domain" doc:"The apex, as delegated: pool.example"`
	Also          []string      `yaml:"also" form:"domain" doc:"Further apexes that answer the same."`
	Nameservers   []Nameserver  `yaml:"nameservers,required" min:"1" max:"13" doc:"The zone's name servers; those below the apex with their addresses (glue), others with []."`
	Contact       string        `yaml:"contact" max:"250" form:"mailbox" doc:"Who answers for the zone; hostmaster@ the zone unless given."` // as written
	TTL           time.Duration `yaml:"ttl" default:"150s" min:"1s" max:"24h" doc:"Of the pool's answers, in whole seconds."`
	NegativeTTL   time.Duration `yaml:"negative_ttl" default:"30s" min:"0s" max:"3h" doc:"Of answers that there is no such name or address, in whole seconds."`
	Answers       int           `yaml:"answers" default:"4" min:"1" max:"16" doc:"Addresses in one answer."`
	Floor         int           `yaml:"floor" default:"4" min:"1" max:"1000" doc:"Widen beyond the asked place until this many members are there."`
	FloorNetspeed int           `yaml:"floor_netspeed" min:"0" max:"1000000000000" doc:"Widen until the members there have this netspeed together, too."`
	MinSites      int           `yaml:"min_sites" min:"1" max:"16" doc:"An answer has members of this many sites, where there are as many."`
	Strict        []string      `yaml:"strict" form:"label" doc:"Continents, countries and sites whose names never widen beyond them."`
	Ramp          int           `yaml:"ramp" min:"11" max:"20" doc:"The weight grows from a tenth at score 10 to all of it at this score; all from 10 on unless given."`
	Near          Near          `yaml:"near" doc:"How much further than the nearest of a ring members may be and still count as equally near."`
	Serial        uint32        `yaml:"serial" doc:"A fixed SOA serial, so that all nodes agree; 0: it moves by itself."`
	Default       string        `yaml:"default" doc:"The site of clients that neither the sites' networks nor GeoIP place."` // "" for none
	Profile       string        `yaml:"profile" default:"lan" form:"label" doc:"How strictly clocks are judged: lan, ntppool or one of profiles."`
	Readmit       int           `yaml:"readmit" default:"10" min:"10" max:"19" doc:"The score from which a member that fell below 10 is in again."`
	Hold          time.Duration `yaml:"hold" default:"0s" min:"0s" max:"24h" doc:"How long a member that fell below 10 stays out at least."`
	ECS           ECS           `yaml:"ecs" default:"on" enum:"on off" doc:"Whose EDNS client subnet is believed: on (everybody's), off, or {trusted: [networks]}."`

	ReportChannel string `yaml:"report_channel" max:"253" form:"domain" doc:"Domain below which resolvers may report errors of the zone (RFC 9567)."`

	Debug []netip.Prefix `yaml:"debug" min:"1" doc:"Who may ask for TXT _why.NAME, _status and _member; this host and the sites' networks unless given."` // nil unless given
}

// Near is a tolerance: the larger of the two counts.
type Near struct {
	Percent int `yaml:"percent" default:"10" min:"0" max:"1000" doc:"Of the distance."`
	Km      int `yaml:"km" default:"50" min:"1" max:"20100" doc:"Kilometres."`
}

// Preference is an order of sites made by hand: for clients of Site, and for its
// name, its own members come first, then those of Sites one after the other,
// then the rest by distance.
type Preference struct {
	Site  string   `yaml:",key" form:"label"`
	Sites []string `yaml:",value" min:"1" max:"1000" form:"label"`
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

// The states of a member. Only Active members are handed out, and Fallback where
// those cannot meet a floor; all but Off are probed.
const (
	Active   State = iota
	Drain          // out of new answers, still probed
	Off            // neither handed out nor probed
	Monitor        // probed and scored only, never handed out
	Fallback       // handed out only where Active ones cannot meet the floor
)

// Member is one NTP server host. Each of its addresses is probed and scored
// apart.
type Member struct {
	Name      string       `yaml:"name,required" max:"253" form:"domain" doc:"What people call it: ntp1.fra"`
	Addresses []netip.Addr `yaml:"addresses,required" min:"1" max:"64" doc:"IPv4 and IPv6, each probed and scored apart."` // unique in the registry
	Site      string       `yaml:"site" doc:"One of sites; without, its addresses say where it is."`                       // "" when the Atlas has to place it
	Country   string       `yaml:"country" pattern:"^[a-z]{2}$" is:"a country code of two letters in lower case" doc:"Where it is, when it has no site and GeoIP is not to say."`
	At        Point        `yaml:"at" doc:"The same, as latitude and longitude in degrees; the middle of the country unless given."`
	Netspeed  int          `yaml:"netspeed" default:"1000" min:"0" max:"1000000000" doc:"Share of the answers relative to the others, in kbit/s by custom; 0: probed only."`
	State     State        `yaml:"state" default:"active" enum:"active drain off monitor fallback" doc:"drain: not handed out, still probed; off: neither; monitor: never handed out, probed; fallback: handed out where active ones cannot meet the floor."`
	Reason    string       `yaml:"reason" max:"200" doc:"Why the state is not active, for people."`
	Tags      []string     `yaml:"tags" max:"64" form:"tag" doc:"What pools choose by."`
	Smear     bool         `yaml:"smear" doc:"It spreads leap seconds from noon to noon UTC and is judged by that; nodes with leap_file know when."`
	Line      string       `yaml:"-"`               // "pool.yaml:41", for messages
	Paused    bool         `yaml:"-" diff:"paused"` // in a maintenance window, by Registry.At: its score stands, nobody is woken
}

// Pool is the whole pool (Name "") or a tenant's: the members that carry one
// of Tags or stand in Include, but for those in Exclude, under a name of its own below the apex.
type Pool struct {
	Name          string        `yaml:",key" form:"label"`
	Tags          []string      `yaml:"tags" min:"1" max:"64" form:"tag" doc:"Members with one of these are in it."`
	Include       []string      `yaml:"include" min:"1" max:"10000" form:"domain" doc:"Members that are in it by name, whatever their tags."`
	Exclude       []string      `yaml:"exclude" min:"1" max:"10000" form:"domain" doc:"Members that are not in it, whatever their tags."`
	TTL           time.Duration `yaml:"ttl" min:"1s" max:"24h" doc:"The zone's unless given, in whole seconds."`
	Answers       int           `yaml:"answers" min:"1" max:"16" doc:"The zone's unless given."`
	Floor         int           `yaml:"floor" min:"1" max:"1000" doc:"The zone's unless given."`
	FloorNetspeed int           `yaml:"floor_netspeed" min:"0" max:"1000000000000" doc:"The zone's unless given."`
	MinSites      int           `yaml:"min_sites" min:"1" max:"16" doc:"The zone's unless given."`
}

// Has reports whether m belongs to the pool.
func (p Pool) Has(m *Member) bool {
	switch {
	case p.Name == "":
		return true
	case slices.Contains(p.Exclude, m.Name):
		return false
	case slices.Contains(p.Include, m.Name):
		return true
	}
	return slices.ContainsFunc(p.Tags, func(t string) bool { return slices.Contains(m.Tags, t) })
}

var states = [...]string{Active: "active", Drain: "drain", Off: "off", Monitor: "monitor", Fallback: "fallback"}

var (
	_ encoding.TextUnmarshaler = (*State)(nil)
	_ encoding.TextUnmarshaler = (*ECS)(nil)
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

// UnmarshalText takes active, drain, off, monitor and fallback.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(states[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no state: active, drain, off, monitor or fallback", text)
	}
	*s = State(i)
	return nil
}

// told is on, off or "trusted [10.0.0.0/8 …]".
func (e ECS) told() string {
	switch {
	case len(e.Trusted) > 0:
		return fmt.Sprint("trusted ", e.Trusted)
	case e.On:
		return "on"
	}
	return "off"
}

// UnmarshalText takes on and off.
func (e *ECS) UnmarshalText(text []byte) error {
	if string(text) != "on" && string(text) != "off" {
		return errors.New("wants on, off or {trusted: [networks]}")
	}
	*e = ECS{On: string(text) == "on"}
	return nil
}
