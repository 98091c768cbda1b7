package resolver

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/timepool/timepool/zones"
)

// reach returns how far from somewhere members are taken to be as near as those
// at km, so that load spreads: 10 % of the distance further, and 50 km at least,
// unless the registry says otherwise.
func reach(km float64, n zones.Near) float64 {
	if n == (zones.Near{}) {
		n = zones.Near{Percent: 10, Km: 50}
	}
	return km + max(float64(n.Km), km*float64(n.Percent)/100)
}

// How far a spot is taken to be when either end has no coordinates, in km. As
// they are further apart than the usual tolerance, each is a ring of its own; where
// other spots do have coordinates, these slot in among them.
const (
	sameCountry   = 250
	sameContinent = 2500
	elsewhere     = 10000 // half-way to the antipodes
	inside        = -1    // at the site, or in the place that was asked for: always first; the sites it prefers take it and what is below
)

// ground is what Build knows before it looks at a score: where the members are,
// how near they are to whom, and their quarters. It depends on registry and
// Atlas alone and is kept from one Snapshot to the next.
type ground struct {
	registry *zones.Registry
	atlas    *zones.Atlas

	sites  map[string]zones.PlaceID
	spots  []spot   // where members are, each once
	spot   []uint16 // by member: index into spots
	names  []uint64 // by member: hash of its name
	order  []int    // members by spot, fallbacks behind all others
	labels []string // names that mean a place: continents, countries, sites

	rows []row    // by zones.PlaceID, and behind them by labels
	keys []uint64 // of rows; they survive renumbering

	casts    [][]int   // by pool: its members that may be handed out, in order
	quarters [][]int8  // by pool and member: 0 … 3; −1: not in the pool, or neither active nor fallback
	books    [][2]book // by pool and family
}

// book is the records of all members of a pool in one family, whatever their
// scores, so that a record has the same number in every Snapshot of a registry
// and decks can be taken over as they are.
type book struct {
	firsts  []uint32 // by member: number of its first record; one more at the end
	records []byte   // owner 0xC00C
}

// row is the spots as seen from one place, nearest ring first. Spots of a ring
// stand by number, so that places which see the same rings have equal rows.
type row struct {
	spots []uint16
	ends  []uint16 // by ring: the index behind its last spot
}

// spot is a place of members, with the point on a ball of radius 1.
type spot struct {
	zones.Place
	point point
}

// noSpot is no index into ground.spots.
const noSpot = math.MaxUint16

// survey makes the ground for r and a, or takes the one before when it is
// about the same two.
func survey(r *zones.Registry, a *zones.Atlas, o *Options) (*ground, error) {
	if before := o.Previous; before != nil && before.ground.registry == r && before.ground.atlas == a {
		return before.ground, nil
	}
	g := &ground{registry: r, atlas: a, sites: map[string]zones.PlaceID{}}
	for id := range zones.PlaceID(a.Len()) {
		if p := a.Place(id); p.Site != "" {
			g.sites[p.Site] = id
		}
	}
	if err := g.locate(); err != nil {
		return nil, err
	}
	g.labels = slices.Clone(zones.Continents)
	for _, c := range zones.Countries() {
		g.labels = append(g.labels, c.Code)
	}
	for _, s := range r.Sites {
		g.labels = append(g.labels, s.Name)
	}
	g.see(o.Workers)
	g.casts, g.quarters, g.books = make([][]int, len(r.Pools)), make([][]int8, len(r.Pools)), make([][2]book, len(r.Pools))
	parallel(o.Workers, len(r.Pools), func(i int) {
		g.quarters[i] = partition(r, &r.Pools[i])
		g.books[i] = write(r, &r.Pools[i], g.quarters[i])
		for _, m := range g.order {
			if g.quarters[i][m] >= 0 {
				g.casts[i] = append(g.casts[i], m)
			}
		}
	})
	return g, nil
}

// see makes the rows. The names of places see what is in them as one ring, then
// the nearest to it.
func (g *ground) see(workers int) {
	const some = 64 // rows by one goroutine at a time, with one scratch space
	places := g.atlas.Len()
	g.rows = make([]row, places+len(g.labels))
	g.keys = make([]uint64, len(g.rows))
	parallel(workers, (len(g.rows)+some-1)/some, func(n int) {
		d := distances{near: g.registry.Zone.Near}
		for i := n * some; i < min((n+1)*some, len(g.rows)); i++ {
			if i < places {
				p := g.atlas.Place(zones.PlaceID(i))
				g.keys[i], g.rows[i] = hash(fmt.Sprintf("%+v", p)), d.row(g.client(p), g.spots)
				continue
			}
			name := g.labels[i-places]
			from := g.named(name)
			g.keys[i], g.rows[i] = hash("name", name), d.row(from, g.spots)
			if slices.Contains(g.registry.Zone.Strict, name) {
				g.rows[i] = g.rows[i].within(from, g.spots)
			}
		}
	})
}

// write writes the books of a pool.
func write(r *zones.Registry, p *zones.Pool, quarters []int8) (books [2]book) {
	for family := range books {
		b, next := &books[family], uint32(0)
		for i := range r.Members {
			b.firsts = append(b.firsts, next)
			for _, a := range r.Members[i].Addresses {
				if quarters[i] >= 0 && familyOf(a) == family {
					b.records, next = appendRecords(b.records, seconds(p.TTL), []netip.Addr{a}), next+1
				}
			}
		}
		b.firsts = append(b.firsts, next)
	}
	return books
}

// familyOf is 0 for an IPv4 address and 1 for an IPv6 one.
func familyOf(a netip.Addr) int {
	if a.Unmap().Is6() {
		return 1
	}
	return 0
}

// client returns where distances of a client's place are taken from.
func (g *ground) client(p zones.Place) *origin {
	o := newOrigin(p)
	for _, prefer := range g.registry.Prefer {
		if prefer.Site == p.Site {
			o.prefer = prefer.Sites
		}
	}
	return o
}

// locate finds the spot of every member: its site's place, what it says of
// itself, else where the Atlas puts the first of its addresses that it knows. One
// that nothing places is nowhere, not at the default site: that is a guess about
// clients.
func (g *ground) locate() error {
	known := map[zones.Place]uint16{}
	for i := range g.registry.Members {
		m := &g.registry.Members[i]
		place := g.home(m)
		at, ok := known[place]
		if !ok {
			if len(g.spots) == noSpot {
				return fmt.Errorf("member %s: members stand in more than %d different places", m.Name, noSpot)
			}
			at = uint16(len(g.spots))
			known[place], g.spots = at, append(g.spots, spot{place, pointOf(place.At)})
		}
		g.spot, g.names, g.order = append(g.spot, at), append(g.names, hash(m.Name)), append(g.order, i)
	}
	rank := func(member int) int {
		if g.registry.Members[member].State == zones.Fallback {
			return len(g.spots) + int(g.spot[member])
		}
		return int(g.spot[member])
	}
	slices.SortStableFunc(g.order, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	return nil
}

func (g *ground) home(m *zones.Member) zones.Place {
	if id, ok := g.sites[m.Site]; ok {
		return canonical(g.atlas.Place(id))
	}
	if c, ok := zones.FindCountry(m.Country); ok || m.At.Known {
		p := zones.Place{Country: c.Code, Continent: c.Continent, At: c.At}
		if m.At.Known {
			p.At = m.At
		}
		return p
	}
	for _, addr := range m.Addresses {
		if id, _ := g.atlas.Find(addr); g.atlas.Place(id).Origin != zones.FromDefault {
			return canonical(g.atlas.Place(id))
		}
	}
	return zones.Place{}
}

// canonical forgets how a place was found, which is no part of where it is, and
// calls a country by one name.
func canonical(p zones.Place) zones.Place {
	p.Origin = zones.FromDefault
	if c, ok := zones.FindCountry(p.Country); ok {
		p.Country = c.Code
	}
	return p
}

// named returns where distances of a place that is asked for by name are taken
// from.
func (g *ground) named(name string) *origin {
	if id, ok := g.sites[name]; ok {
		return g.client(g.atlas.Place(id))
	}
	if c, ok := zones.FindCountry(name); ok { // uk is gb
		o := newOrigin(zones.Place{Country: c.Code, Continent: c.Continent, At: c.At})
		o.named = true
		return o
	}
	o := &origin{Place: zones.Place{Continent: name}, named: true}
	for _, c := range zones.Countries() {
		if c.Continent == name {
			o.points = append(o.points, pointOf(c.At))
		}
	}
	return o
}

// origin is where distances are taken from: a client's place, or with named a
// place that was asked for by name.
type origin struct {
	zones.Place
	named  bool
	prefer []string // sites that come right behind o's own, in this order
	points []point  // where it is; a continent is as near as the nearest of its countries' middles
}

func newOrigin(p zones.Place) *origin {
	o := &origin{Place: canonical(p)}
	if p.At.Known {
		o.points = []point{pointOf(p.At)}
	}
	return o
}

// holds reports whether a spot is at o's own site or in the place that was
// asked for.
func (o *origin) holds(at *spot) bool {
	country, continent := o.shares(at)
	return o.Site != "" && o.Site == at.Site || o.named && (country || o.Country == "" && continent)
}

func (o *origin) shares(at *spot) (country, continent bool) {
	return o.Country != "" && o.Country == at.Country, o.Continent != "" && o.Continent == at.Continent
}

// km returns how far o is from a spot, and what is below 0 for spots that come
// first whatever the map says.
func (o *origin) km(at *spot) float64 {
	if o.holds(at) {
		return float64(inside - len(o.prefer))
	}
	if i := slices.Index(o.prefer, at.Site); i >= 0 {
		return float64(inside - len(o.prefer) + 1 + i)
	}
	if at.At.Known && len(o.points) > 0 {
		square := 4.0 // of the chord: a sixth of what the great circle costs spot by spot
		for i := range o.points {
			x, y, z := o.points[i][0]-at.point[0], o.points[i][1]-at.point[1], o.points[i][2]-at.point[2]
			square = min(square, x*x+y*y+z*z)
		}
		return 2 * zones.EarthRadius * math.Asin(math.Sqrt(square)/2)
	}
	switch country, continent := o.shares(at); {
	case country:
		return sameCountry
	case continent:
		return sameContinent
	}
	return elsewhere
}

// point is a place on a ball of radius 1, from its middle.
type point [3]float64

func pointOf(p zones.Point) point {
	const rad = math.Pi / 180
	north, out := math.Sincos(p.Lat * rad)
	east, zero := math.Sincos(p.Lon * rad)
	return point{out * zero, out * east, north}
}

// within returns the spots of r that o holds, in one ring.
func (r row) within(o *origin, spots []spot) row {
	if len(r.ends) > 0 && o.holds(&spots[r.spots[0]]) { // they come first, and are a ring
		return row{r.spots[:r.ends[0]], r.ends[:1]}
	}
	return row{}
}

// distances is scratch space for rows.
type distances struct {
	near  zones.Near
	order []uint64 // by distance: its bits, and the spot
}

// row orders the spots by distance from o and groups them into rings.
func (d *distances) row(o *origin, spots []spot) row {
	const least = math.MaxInt16 // makes all distances positive, so that their bits sort as they do
	d.order = d.order[:0]
	for i := range spots {
		d.order = append(d.order, uint64(math.Float32bits(float32(least+o.km(&spots[i]))))<<16|uint64(i))
	}
	slices.Sort(d.order)
	km := func(i int) float64 { return float64(math.Float32frombits(uint32(d.order[i]>>16))) - least }
	r := row{spots: make([]uint16, len(spots))}
	for from, end := 0, 0; from < len(spots); from = end {
		until := km(from)
		if until > inside {
			until = reach(until, d.near)
		}
		for ; end < len(spots) && km(end) <= until; end++ {
			r.spots[end] = uint16(d.order[end])
		}
		slices.Sort(r.spots[from:end])
		r.ends = append(r.ends, uint16(end))
	}
	return r
}
