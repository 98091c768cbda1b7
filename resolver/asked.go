package resolver

import (
	"sync/atomic"

	"github.com/timepool/timepool/zones"
)

// Asked is where queries came from whose answer hangs on it: a site, and how it
// was found.
type Asked struct {
	Site   string // "" where none is known
	Found  string // registry, geoip or default
	Subnet bool   // by a believed client subnet (RFC 7871) and not by the sender
}

// askers counts queries: by the sites in the registry's order, behind the
// default place and before all that GeoIP knows; each by sender and by subnet.
type askers [][2]atomic.Uint64

func newAskers(r *zones.Registry) askers { return make(askers, len(r.Sites)+2) }

func (a askers) count(place zones.PlaceID, subnet bool) {
	by := 0
	if subnet {
		by = 1
	}
	a[min(int(place), len(a)-1)][by].Add(1)
}

// addTo adds the counts of a registry to sum.
func (a askers) addTo(sum map[Asked]uint64, r *zones.Registry) {
	for i := range a {
		from := Asked{Site: r.Zone.Default, Found: foundBy[zones.FromDefault]}
		switch {
		case i > len(r.Sites):
			from = Asked{Found: foundBy[zones.FromGeoIP]}
		case i > 0:
			from = Asked{Site: r.Sites[i-1].Name, Found: foundBy[zones.FromRegistry]}
		}
		for by := range a[i] {
			from.Subnet = by == 1
			sum[from] += a[i][by].Load()
		}
	}
}

// askedTo adds the counts of all lanes to sum.
func (p *publication) askedTo(sum map[Asked]uint64) {
	for _, lane := range p.turns {
		lane.asked.addTo(sum, lane.registry)
	}
}
