package resolver

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// Explanation is why one client gets what it gets under one pool name. It is
// read off the decks that answer, so that it cannot tell another story than they.
type Explanation struct {
	Name   string       `json:"name"`            // dotted, lower case, without the final dot
	Client netip.Prefix `json:"client"`          // what was looked up
	Subnet bool         `json:"subnet"`          // client is an EDNS client subnet and not the sender
	Where  string       `json:"place"`           // where that is
	Found  string       `json:"found"`           // by: registry, geoip or default
	Prefix netip.Prefix `json:"prefix"`          // the widest around Client that is all in that place
	Scope  int          `json:"scope"`           // as a client subnet is answered: 0 when the place makes no difference
	Pool   string       `json:"pool"`            // the tenant's; "" is the whole pool
	Number int          `json:"number"`          // 0 … 3; −1 for a bare name
	Asked  string       `json:"asked,omitempty"` // the place in the name
	Types  [2]Choice    `json:"types"`           // A, AAAA
}

// Choice is what is handed out in one family, and of whom.
type Choice struct {
	Type    string      `json:"type"`    // A or AAAA
	Answers int         `json:"answers"` // addresses in an answer; 0: nobody may be handed out
	Floor   int         `json:"floor"`   // rings are taken until so many members are in
	Resort  bool        `json:"resort"`  // nobody is eligible: these merely fell silent
	Rings   []Ring      `json:"rings"`   // nearest first
	Out     []Candidate `json:"out"`     // the rest of the pool
	Further []Candidate `json:"further"` // fit to be handed out, and not needed here; nearest first
}

// Ring is members taken to be equally near; those of nearer rings stand first
// in an answer.
type Ring struct {
	Widened string      `json:"widened,omitempty"` // why the rings before were not enough
	Members []Candidate `json:"members"`
}

// Candidate is one address of the pool.
type Candidate struct {
	Member  string     `json:"member"`
	Address netip.Addr `json:"address"`
	Site    string     `json:"site"`
	Km      float64    `json:"km"`     // from the client, or the place asked for; 0: in it
	Weight  uint64     `json:"weight"` // its netspeed, as far as it counts in the draw
	Share   float64    `json:"share"`  // of the answers that hold it, 0 … 1
	Score   float64    `json:"score"`
	Why     string     `json:"why,omitempty"` // no answer holds it

	spot uint16
}

// Explain tells what a query from client for owner is dealt from. A valid
// subnet is a believed client subnet (RFC 7871). owner is a pool name below one
// of the apexes, or with nothing of an apex one below zone.name; "" is that
// itself.
//
// Errors: owner is no pool name.
func (s *Snapshot) Explain(client netip.Addr, subnet netip.Prefix, owner string) (*Explanation, error) {
	owner = strings.TrimSuffix(strings.ToLower(owner), ".")
	for _, full := range []string{owner, strings.Trim(owner+"."+s.ground.registry.Zone.Name, ".")} {
		wire, err := wireName(full)
		if n := s.names[wire]; err == nil && n != nil && n.pool {
			return s.explain(client.Unmap(), subnet, wire, n), nil
		}
	}
	return nil, fmt.Errorf("name %s: no pool name of zone %s", owner, s.ground.registry.Zone.Name)
}

func (s *Snapshot) explain(client netip.Addr, asked netip.Prefix, wire string, n *name) *Explanation {
	e := &Explanation{Name: dotted(wire), Client: netip.PrefixFrom(client, client.BitLen())}
	if asked.Bits() > 0 {
		e.Client, e.Subnet = asked, true
	}
	id, prefix := s.atlas.Find(e.Client.Addr())
	place := s.atlas.Place(id)
	e.Where, e.Found, e.Prefix = whereOf(place), foundBy[place.Origin], prefix
	if n.clientDependent() && (!asked.IsValid() || e.Subnet) {
		e.Scope = max(prefix.Bits(), 0)
	}
	p, from := n.suit/perFamily/2, newOrigin(place)
	e.Pool, e.Number = s.ground.registry.Pools[p].Name, n.suit%perFamily-1
	if n.place != byClient {
		e.Asked = s.ground.labels[n.place-s.atlas.Len()]
		from = s.ground.named(e.Asked)
		from.prefer = nil // distances as they are
	}
	for family := range e.Types {
		d, _ := s.deckFor(n, family, id)
		e.Types[family] = s.choice(n, p, family, d, from)
	}
	return e
}

// choice sorts the addresses of pool p by what the deck makes of them.
func (s *Snapshot) choice(n *name, p, family int, d *deck, from *origin) Choice {
	g, own := s.ground, s.suits[n.suit+family*perFamily]
	if d != nil {
		own = d.suit
	}
	pool := &g.registry.Pools[p]
	c := Choice{
		Type: typeName(family), Floor: own.terms.need, Rings: []Ring{}, Out: []Candidate{}, Further: []Candidate{},
		Resort: own.terms.resort,
	}
	if d != nil {
		c.Answers, c.Rings = d.size(), make([]Ring, bits.OnesCount32(d.rings)-1)
	}
	fit, bare := map[netip.Addr]odds{}, map[netip.Addr]bool{}
	for _, o := range own.odds(d) {
		fit[o.addr] = o
	}
	for _, o := range s.bareSuit(p, family).odds(nil) {
		bare[o.addr] = true
	}
	for i := range g.registry.Members {
		m := &g.registry.Members[i]
		if !pool.Has(m) {
			continue
		}
		spot := &g.spots[g.spot[i]]
		for _, a := range m.Addresses {
			if a = a.Unmap(); familyOf(a) != family {
				continue
			}
			told := Candidate{Member: m.Name, Address: a, Site: spot.Site, Km: max(from.km(spot), 0), Score: s.scores[a].Value, spot: g.spot[i]}
			o, list := fit[a], &c.Out
			switch {
			case o.share > 0:
				told.Weight, told.Share, list = o.weight/share, o.share, &c.Rings[o.ring].Members
			case o.host != nil:
				told.Why, list = "not needed: there are enough before it", &c.Further
			case bare[a]:
				told.Why = fmt.Sprintf("stands behind the number %d", g.quarters[p][i])
			default:
				told.Why = s.absence(m, a)
			}
			*list = append(*list, told)
		}
	}
	c.order(&own.terms)
	return c
}

// order sorts by distance and tells why there is more than one ring.
func (c *Choice) order(t *terms) {
	hosts, spots, speed := map[string]bool{}, map[uint16]bool{}, uint64(0)
	for i := range c.Rings {
		r := &c.Rings[i]
		if i > 0 {
			r.Widened = t.wanting(len(hosts), speed, len(spots))
		}
		for _, m := range r.Members {
			if !hosts[m.Member] {
				hosts[m.Member], spots[m.spot], speed = true, true, speed+m.Weight
			}
		}
		sortByKm(r.Members)
	}
	if c.Answers > 0 && t.short(len(hosts), speed) {
		for i := range c.Further { // not for want of room
			c.Further[i].Why = "not taken: this name does not widen so far"
		}
	}
	sortByKm(c.Further)
}

func sortByKm(list []Candidate) {
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(a.Km, b.Km) })
}

// wanting says which floors the nearer members are below. Where it is none, a
// ring was parted so that every answer spans enough sites.
func (t *terms) wanting(hosts int, speed uint64, spots int) string {
	var below []string
	short := func(floor string, have, want int) {
		if have < want {
			below = append(below, fmt.Sprintf("%d of %s %d", have, floor, want))
		}
	}
	short("floor", hosts, t.need)
	short("floor_netspeed", int(speed), t.speed)
	short("min_sites", spots, t.sites)
	if below == nil {
		return fmt.Sprintf("as near, parted to have min_sites %d in every answer", t.sites)
	}
	return "only " + strings.Join(below, " and ") + " are nearer"
}

func typeName(family int) string { return dns.TypeToString[rrtypes[family]] }

// absence tells why an address is in no answer of any client.
func (s *Snapshot) absence(m *zones.Member, a netip.Addr) string {
	score := s.scores[a]
	told := fmt.Sprintf("score %.1f", score.Value)
	switch {
	case m.State != zones.Active && m.State != zones.Fallback:
		return because("state "+m.State.String(), m.Reason)
	case m.Netspeed <= 0:
		return "netspeed 0: only probed"
	case score.Standing == zones.Resort:
		told += ", silent, kept as a last resort"
	case strings.Contains(score.Why, "score"):
		return score.Why
	}
	return because(told, score.Why)
}

// because is "what: why", or what alone.
func because(what, why string) string { return strings.TrimSuffix(what+": "+why, ": ") }

// bareSuit returns the suit of a pool's names without a number.
func (s *Snapshot) bareSuit(pool, family int) *suit { return s.suits[(2*pool+family)*perFamily] }

// address returns that of a record.
func (s *suit) address(record uint32) netip.Addr {
	size := s.terms.size()
	addr, _ := netip.AddrFromSlice(s.records[int(record)*size+12:][:size-12])
	return addr
}

// size is how many addresses an answer has.
func (d *deck) size() int { return bits.Len32(d.rings) - 1 }

// odds is how often an address comes up in a deck, in which ring.
type odds struct {
	addr netip.Addr
	*host
	share float64 // of the answers that hold it, 0 … 1
	ring  int
}

// odds tells it of every address that is fit to be handed out; d may be nil.
func (s *suit) odds(d *deck) (all []odds) {
	records := make([]odds, len(s.records)/s.terms.size())
	if d != nil {
		d.each(func(record uint32, slot int, share float64) {
			o := &records[record]
			o.share, o.ring = o.share+share, bits.OnesCount32(d.rings&(2<<slot-1))-1
		})
	}
	for i := range s.hosts {
		h := &s.hosts[i]
		for record := h.first; record < h.first+uint32(h.count); record++ {
			o := records[record]
			o.addr, o.host = s.address(record), h
			all = append(all, o)
		}
	}
	return all
}
