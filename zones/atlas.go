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

	noSite4, noSite6 *[1 << 16]uint8 // the heads of sites
}

// NewAtlas lays the registry's networks over the GeoIP file (nil: none). Its
// places are numbered alike for the same inputs: 0 the default, then the
// registry's sites in order, then the file's places as they first appear in it.
func NewAtlas(r *Registry, g *GeoIP) *Atlas {
	if g == nil {
		g = &GeoIP{places: []Place{{}}, ranges: newPainting().seal()}
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
	a.noSite4, a.noSite6 = a.sites.heads(true), a.sites.heads(false)
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

	painted := newPainting()
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
	return painted.seal()
}

// Find returns the place of addr and the shortest prefix around addr in which
// every address has that place, which is what makes an ECS scope (RFC 7871
// section 7.2.1) exact. An IPv4-mapped IPv6 address is the IPv4 address in it, and
// gets an IPv4 prefix; IPv6 prefixes take no notice of ::ffff:0:0/96. The zone of
// an address is ignored. The zero Addr has place 0 and the zero Prefix.
func (a *Atlas) Find(addr netip.Addr) (PlaceID, netip.Prefix) {
	addr = addr.Unmap()
	var value, site uint16
	var scope, siteScope int
	switch {
	case addr.Is4():
		k := key4(addr)
		value, scope = a.geo.v4.find(k)
		if siteScope = int(a.noSite4[k>>16]); siteScope == busy {
			site, siteScope = a.sites.v4.find(k)
		}
	case addr.Is6():
		k, low := key(addr)
		value, scope = a.geo.v6.find(k, low)
		if siteScope = int(a.noSite6[k>>48]); siteScope == busy {
			site, siteScope = a.sites.v6.find(k, low)
		}
	default:
		return 0, netip.Prefix{}
	}
	id := PlaceID(site)
	switch {
	case site != 0:
		scope = siteScope
	case value != 0:
		id, scope = a.base+PlaceID(value), max(scope, siteScope)
	default:
		scope = max(scope, siteScope)
	}
	prefix, _ := addr.Prefix(scope) // no scope is longer than its address
	return id, prefix
}

// Place returns the place with that number, which must be below Len.
func (a *Atlas) Place(id PlaceID) Place { return a.places[id] }

// Len returns the number of places; PlaceIDs are 0 … Len()−1.
func (a *Atlas) Len() int { return len(a.places) }
