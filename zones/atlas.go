package zones

import (
	"cmp"
	"net/netip"
	"slices"
)

// Atlas finds the Place of an address: the registry's networks where they
// reach, else the GeoIP file, else the default place. It never changes.
//
// The two layers stay apart: an edit of the registry lays a small new one over
// the same GeoIP, where painting one over the other would copy three million
// ranges per edit. Together they are exact because a site never equals a place of
// GeoIP: where the upper layer changes, so does the place.
type Atlas struct {
	places []Place
	sites  families // PlaceIDs; 0 where no site is
	geo    families // GeoIP's own numbers; 0 for nowhere
	base   PlaceID  // of GeoIP's places in places; value 1 there is base+1 here
}

// NewAtlas lays the registry's networks over the GeoIP file (nil: none). Its
// places are numbered alike for the same inputs: 0 the default, then the
// registry's sites in order, then the file's places as they first appear in it.
func NewAtlas(r *Registry, g *GeoIP) *Atlas {
	if g == nil {
		g = &GeoIP{places: []Place{{}}, ranges: newFamilies()}
		g.ranges.seal()
	}
	a := &Atlas{
		places: make([]Place, 1, len(r.Sites)+len(g.places)),
		sites:  siteRanges(r.Sites),
		geo:    g.ranges,
		base:   PlaceID(len(r.Sites)),
	}
	for i := range r.Sites {
		p := r.Sites[i].place()
		a.places = append(a.places, p)
		if p.Site == r.Zone.Default {
			p.Origin = FromDefault
			a.places[0] = p
		}
	}
	a.places = append(a.places, g.places[1:]...)
	return a
}

// place returns the site's Place. What the registry leaves out comes from the
// site's country: a continent, and a point in its middle.
func (s *Site) place() Place {
	p := Place{Site: s.Name, Country: s.Country, Continent: s.Continent, At: s.At, Origin: FromRegistry}
	if c, ok := FindCountry(s.Country); ok {
		p.Country, p.Continent, p.At = c.Code, cmp.Or(p.Continent, c.Continent), cmp.Or(p.At, c.At)
	}
	return p
}

// claim is one network of a site.
type claim struct {
	network netip.Prefix
	site    uint16 // the site's PlaceID
}

// siteRanges paints the sites' networks, the longer over the shorter.
func siteRanges(sites []Site) families {
	var claims []claim
	for i := range sites {
		for _, n := range sites[i].Networks {
			claims = append(claims, claim{n.Masked(), uint16(i + 1)})
		}
	}
	// By address, the shorter first: a network comes after those around it.
	slices.SortStableFunc(claims, func(a, b claim) int { return a.network.Compare(b.network) })

	painted := newFamilies()
	around := []claim{{}} // the networks around the current one, innermost last, on no network at all
	leave := func() {
		last := len(around) - 1
		painted.past(around[last].network, around[last-1].site)
		around = around[:last]
	}
	for _, c := range claims {
		for len(around) > 1 && !around[len(around)-1].network.Contains(c.network.Addr()) {
			leave()
		}
		painted.from(c.network, c.site)
		around = append(around, c)
	}
	for len(around) > 1 {
		leave()
	}
	painted.seal()
	painted.v4.fillHeads()
	painted.v6.fillHeads()
	return painted
}

// Find returns the place of addr and the shortest prefix around addr in which
// every address has that place, which is what makes an ECS scope (RFC 7871
// section 7.2.1) exact. An IPv4-mapped IPv6 address is the IPv4 address in it, and
// gets an IPv4 prefix; IPv6 prefixes take no notice of ::ffff:0:0/96. The zone of
// an address is ignored. The zero Addr has place 0 and the zero Prefix.
func (a *Atlas) Find(addr netip.Addr) (PlaceID, netip.Prefix) {
	addr = addr.Unmap()
	var id PlaceID
	var scope int
	switch {
	case addr.Is4():
		id, scope = locate(a.sites.v4, a.geo.v4, a.base, key4(addr), 0)
	case addr.Is6():
		k, low := key6(addr)
		id, scope = locate(a.sites.v6, a.geo.v6, a.base, k, low)
	default:
		return 0, netip.Prefix{}
	}
	prefix, _ := addr.Prefix(scope) // no scope is longer than its address
	return id, prefix
}

// locate is Find within a family.
func locate[K uint32 | uint64](sites, geo *ranges[K], base PlaceID, k K, low uint64) (id PlaceID, scope int) {
	v, scope := geo.find(k, low)
	if id = PlaceID(v); id != 0 {
		id += base
	}
	if head := sites.heads[k>>headShift[K]()]; head != busy {
		return id, max(scope, int(head))
	}
	site, siteScope := sites.find(k, low)
	if site != 0 {
		return PlaceID(site), siteScope
	}
	return id, max(scope, siteScope)
}

// Place returns the place with that number, which must be below Len.
func (a *Atlas) Place(id PlaceID) Place { return a.places[id] }

// Len returns the number of places; PlaceIDs are 0 … Len()−1.
func (a *Atlas) Len() int { return len(a.places) }
