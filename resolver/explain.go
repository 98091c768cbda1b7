package resolver

import (
	"cmp"
	"fmt"
	"math"
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
	Place  zones.Place  `json:"-"`               // where that is
	Where  string       `json:"place"`           // Place for people
	Found  string       `json:"found"`           // by: registry, geoip or default
	Prefix netip.Prefix `json:"prefix"`          // the widest around Client that is all in that place
	Scope  int          `json:"scope"`           // as a client subnet is answered: 0 when the place makes no difference
	Pool   string       `json:"pool"`            // the tenant's; "" is the whole pool
	Number int          `json:"number"`          // 0 … 3; −1 for a bare name
	Asked  string       `json:"asked,omitempty"` // the place in the name
	Types  [2]Choice    `json:"types"`           // A, AAAA
}

// Choice is what is handed out in one family.
type Choice struct {
	Type    string   `json:"type"`    // A or AAAA
	Answers int      `json:"answers"` // addresses in an answer; 0: nobody may be handed out
	Floor   int      `json:"floor"`   // rings are taken until so many members are in
	Resort  bool     `json:"resort"`  // nobody is eligible: these merely fell silent
	Rings   []Ring   `json:"rings"`   // nearest first
	Out     []Absent `json:"out"`     // the rest of the pool
	Further []Absent `json:"further"` // fit to be handed out, and not needed here; nearest first
}

// Ring is members taken to be equally near; those of nearer rings stand first
// in an answer.
type Ring struct {
	Widened string      `json:"widened,omitempty"` // why the rings before were not enough
	Members []Candidate `json:"members"`
}

// Candidate is one address in the draw.
type Candidate struct {
	Member  string     `json:"member"`
	Address netip.Addr `json:"address"`
	Site    string     `json:"site"`
	Km      float64    `json:"km"`     // from the client, or the place asked for; 0: in it
	Weight  uint64     `json:"weight"` // its netspeed, as far as it counts
	Share   float64    `json:"share"`  // of the answers that hold it, 0 … 1
	Score   float64    `json:"score"`
}

// Absent is one address of the pool that no answer holds.
type Absent struct {
	Member  string     `json:"member"`
	Address netip.Addr `json:"address"`
	Site    string     `json:"site"`
	Km      float64    `json:"km"`
	Why     string     `json:"why"`
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
			var asked *netip.Prefix
			if subnet.IsValid() {
				asked = &subnet
			}
			return s.explain(client.Unmap(), asked, wire, n), nil
		}
	}
	return nil, fmt.Errorf("name %s: no pool name of zone %s", owner, s.ground.registry.Zone.Name)
}

func (s *Snapshot) explain(client netip.Addr, asked *netip.Prefix, wire string, n *name) *Explanation {
	e := &Explanation{Name: dotted(wire), Client: netip.PrefixFrom(client, client.BitLen())}
	if asked != nil && asked.Bits() > 0 {
		e.Client, e.Subnet = *asked, true
	}
	id, prefix := s.atlas.Find(e.Client.Addr())
	e.Place, e.Prefix = s.atlas.Place(id), prefix
	e.Where, e.Found = whereOf(e.Place), foundBy[e.Place.Origin]
	if n.clientDependent() && (asked == nil || e.Subnet) {
		e.Scope = max(prefix.Bits(), 0)
	}
	pool := s.meaning(e, wire[:len(wire)-len(s.apexes[n.apex].wire)])
	from := origin{Place: canonical(e.Place)}
	if e.Asked != "" {
		from = s.ground.asked(e.Asked)
	}
	for family := range e.Types {
		e.Types[family] = s.choice(s.deckFor(n, family, id), pool, e.Number, family, &from)
	}
	return e
}

// meaning reads what a name asks for off its labels above the apex, and returns
// the pool's index.
func (s *Snapshot) meaning(e *Explanation, above string) (pool int) {
	e.Number = -1
	labels := []string{}
	for ; above != ""; above = above[1+above[0]:] {
		labels = append(labels, above[1:1+above[0]])
	}
	if len(labels) > 0 && len(labels[0]) == 1 {
		e.Number, labels = int(labels[0][0]-'0'), labels[1:]
	}
	if last := len(labels) - 1; last >= 0 {
		if i := slices.IndexFunc(s.ground.registry.Pools, func(p zones.Pool) bool { return p.Name == labels[last] }); i > 0 {
			e.Pool, labels, pool = labels[last], labels[:last], i
		}
	}
	if len(labels) > 0 {
		e.Asked = labels[0]
	}
	return pool
}

// asked returns where distances are taken from under a name that means a place.
func (g *ground) asked(label string) origin {
	if c, ok := zones.FindCountry(label); ok {
		return origin{Place: zones.Place{Country: c.Code, Continent: c.Continent, At: c.At}, named: true}
	}
	for i := range g.registry.Sites {
		if g.registry.Sites[i].Name == label {
			return origin{Place: canonical(g.atlas.Place(zones.PlaceID(1 + i)))}
		}
	}
	o := origin{Place: zones.Place{Continent: label}, named: true}
	for _, c := range zones.Countries() {
		if c.Continent == label {
			o.middles = append(o.middles, c.At)
		}
	}
	return o
}

// choice sorts the pool's addresses of a family by what the deck makes of them.
func (s *Snapshot) choice(number uint32, pool, quarter, family int, from *origin) Choice {
	g, own := s.ground, s.suitOf(pool, quarter, family)
	c := Choice{
		Type: typeName(family), Floor: own.terms.need, Rings: []Ring{}, Out: []Absent{}, Further: []Absent{},
		Resort: slices.Contains(s.stats.Resort, Line{g.registry.Pools[pool].Name, family == 1}),
	}
	drawn := map[netip.Addr]odds{}
	if number != noDeck {
		d := &s.decks[number]
		c.Answers, drawn = bits.Len32(d.rings)-1, d.odds()
		c.Rings = make([]Ring, bits.OnesCount32(d.rings)-1)
	}
	fit, bare := own.addresses(), s.suitOf(pool, -1, family).addresses()
	for i := range g.registry.Members {
		m := &g.registry.Members[i]
		if !g.registry.Pools[pool].Has(m) {
			continue
		}
		spot := &g.spots[g.spot[i]]
		km := max(from.km(spot), 0)
		for _, a := range m.Addresses {
			if a = a.Unmap(); a.Is6() != (family == 1) {
				continue
			}
			if o, ok := drawn[a]; ok {
				r := &c.Rings[o.ring]
				r.Members = append(r.Members, Candidate{m.Name, a, spot.Site, km, o.weight, o.share, s.scores[a].Value})
				continue
			}
			gone := Absent{m.Name, a, spot.Site, km, ""}
			if fit[a] {
				gone.Why = "not needed: there are enough before it"
				c.Further = append(c.Further, gone)
				continue
			}
			if gone.Why = s.absence(m, a); bare[a] {
				gone.Why = fmt.Sprintf("stands behind the number %d", g.quarters[pool][i])
			}
			c.Out = append(c.Out, gone)
		}
	}
	c.order()
	return c
}

// order sorts by distance and tells why there is more than one ring.
func (c *Choice) order() {
	members := map[string]bool{}
	for i := range c.Rings {
		r := &c.Rings[i]
		if i > 0 {
			r.Widened = fmt.Sprintf("only %d of floor %d are nearer", len(members), c.Floor)
			if len(members) >= c.Floor {
				r.Widened = fmt.Sprintf("the %d nearer ones do not meet all that is wanted", len(members))
			}
		}
		for _, m := range r.Members {
			members[m.Member] = true
		}
		slices.SortStableFunc(r.Members, func(a, b Candidate) int { return cmp.Compare(a.Km, b.Km) })
	}
	if c.Answers > 0 && len(members) < c.Floor {
		for i := range c.Further { // not for want of room
			c.Further[i].Why = "not taken: this name does not widen so far"
		}
	}
	slices.SortStableFunc(c.Further, func(a, b Absent) int { return cmp.Compare(a.Km, b.Km) })
}

func typeName(family int) string { return dns.TypeToString[rrtypes[family]] }

// unserved reports whether the registry keeps m out of every answer.
func unserved(m *zones.Member) bool {
	return m.State == zones.Drain || m.State == zones.Off || m.State == zones.Monitor
}

// absence tells why an address is in no answer of any client.
func (s *Snapshot) absence(m *zones.Member, a netip.Addr) string {
	switch score := s.scores[a]; {
	case unserved(m):
		return strings.TrimSuffix("state "+m.State.String()+": "+m.Reason, ": ")
	case m.Netspeed <= 0:
		return "netspeed 0: only probed"
	case score.Standing == zones.Resort:
		return strings.TrimSuffix(fmt.Sprintf("score %.1f, silent, kept as a last resort: %s", score.Value, score.Why), ": ")
	case strings.Contains(score.Why, "score"):
		return score.Why
	default:
		return strings.TrimSuffix(fmt.Sprintf("score %.1f: %s", score.Value, score.Why), ": ")
	}
}

// suitOf returns the suit of a pool, quarter (−1: all) and family.
func (s *Snapshot) suitOf(pool, quarter, family int) *suit {
	for _, suit := range s.suits {
		if t := &suit.terms; t.pool == s.ground.registry.Pools[pool].Name && t.quarter == quarter && t.family == family {
			return suit
		}
	}
	panic("a pool name without a suit")
}

// address returns that of a record.
func (s *suit) address(record uint32) netip.Addr {
	size := s.terms.size()
	addr, _ := netip.AddrFromSlice(s.records[int(record)*size+12:][:size-12])
	return addr
}

// addresses returns who is fit to be handed out.
func (s *suit) addresses() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, h := range s.hosts {
		for record := range uint32(h.count) {
			all[s.address(h.first+record)] = true
		}
	}
	return all
}

// odds is how often an address comes up in a deck, in which ring.
type odds struct {
	share  float64
	ring   int
	weight uint64
}

// odds measures the arcs of the cards that hold each address.
func (d *deck) odds() map[netip.Addr]odds {
	all, size, from := map[netip.Addr]odds{}, bits.Len32(d.rings)-1, uint64(0)
	for i, c := range d.cards {
		until := uint64(c.until)
		if i == len(d.cards)-1 {
			until = math.MaxUint32 + 1
		}
		for at, record := range d.sets[c.set:][:size] {
			addr := d.suit.address(record)
			o := all[addr]
			o.share += float64(until-from) / (math.MaxUint32 + 1)
			o.ring = bits.OnesCount32(d.rings&(2<<at-1)) - 1
			all[addr] = o
		}
		from = until
	}
	for _, h := range d.suit.hosts {
		for record := range uint32(h.count) {
			addr := d.suit.address(h.first + record)
			if o, ok := all[addr]; ok {
				o.weight = h.weight / share
				all[addr] = o
			}
		}
	}
	return all
}

// dotted returns a name in wire format as text, without the final dot.
func dotted(wire string) string {
	text, _, err := dns.UnpackDomainName([]byte(wire), 0)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(text, ".")
}
