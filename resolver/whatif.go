package resolver

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timepool/timepool/zones"
)

// Outlook is what would become of the whole pool without some members. Load is
// modelled: every site has as many clients as any other, they ask for the bare
// apex, and each uses all addresses of its answers alike.
type Outlook struct {
	Lost   []string   `json:"lost"` // members, in the registry's order
	Sites  []Prospect `json:"sites"`
	Broken []Broken   `json:"broken"` // floors that cannot be met by anybody, before or after
}

// Prospect is one site in one family. Members that stand in no site are under
// the site "".
type Prospect struct {
	Site   string `json:"site"`
	Type   string `json:"type"` // A or AAAA
	Before Load   `json:"before"`
	After  Load   `json:"after"`
}

// Load is what a site gives, and what its clients get.
type Load struct {
	Usable int     `json:"usable"` // members here that are fit to be handed out
	Share  float64 `json:"share"`  // of all clients' load that members here carry, 0 … 1
	Km     float64 `json:"km"`     // from the clients here to what they are handed out, on average; 0 when that is nothing
	Served bool    `json:"served"` // the clients here get an answer
}

// Broken is a pool and family with fewer members than its floor.
type Broken struct {
	Pool   string `json:"pool"` // "" for the whole pool
	Type   string `json:"type"`
	Floor  int    `json:"floor"`
	Before int    `json:"before"` // usable members
	After  int    `json:"after"`
}

// WhatIf tells what would become of s without the members of lost: each is a
// member's name, or a site's for all that stand there. It builds the Snapshot
// that would be published.
//
// Errors: a name that is neither, and those of Build.
func (s *Snapshot) WhatIf(lost []string) (*Outlook, error) {
	g, scores := s.ground, maps.Clone(s.scores)
	o := &Outlook{Lost: []string{}, Sites: []Prospect{}, Broken: []Broken{}}
	known := map[string]bool{}
	for _, site := range g.registry.Sites {
		known[site.Name] = true
	}
	for i := range g.registry.Members {
		m := &g.registry.Members[i]
		known[m.Name] = true
		if site := g.spots[g.spot[i]].Site; !slices.Contains(lost, m.Name) && (site == "" || !slices.Contains(lost, site)) {
			continue
		}
		o.Lost = append(o.Lost, m.Name)
		for _, a := range m.Addresses {
			delete(scores, a.Unmap()) // missing is Out
		}
	}
	for _, name := range lost {
		if !known[name] {
			return nil, fmt.Errorf("lose %s: the registry has neither a site nor a member of that name", name)
		}
	}
	options := s.made
	options.Previous = s
	after, err := Build(g.registry, g.atlas, scores, options)
	if err != nil {
		return nil, err
	}
	for family := range 2 {
		was, is := s.loads(family), after.loads(family)
		for _, site := range append(slices.Clone(g.registry.Sites), zones.Site{}) {
			if site.Name != "" || was[""].Usable > 0 {
				o.Sites = append(o.Sites, Prospect{site.Name, typeName(family), *was[site.Name], *is[site.Name]})
			}
		}
		for p := range g.registry.Pools {
			pool, was, is := &g.registry.Pools[p], s.usable(p, family), after.usable(p, family)
			if is < pool.Floor && (was > 0 || family == 0) { // a pool without IPv6 misses none
				o.Broken = append(o.Broken, Broken{pool.Name, typeName(family), pool.Floor, was, is})
			}
		}
	}
	return o, nil
}

// usable counts the hosts of a pool that may be handed out.
func (s *Snapshot) usable(pool, family int) int { return len(s.bareSuit(pool, family).hosts) }

// loads is what each site gives and gets by its name; "" is what stands in none.
func (s *Snapshot) loads(family int) map[string]*Load {
	g, all := s.ground, map[string]*Load{"": {}}
	for _, site := range g.registry.Sites {
		all[site.Name] = &Load{}
	}
	for _, h := range s.bareSuit(0, family).hosts {
		all[g.spots[h.spot].Site].Usable++
	}
	n := s.names[s.apexes[0].wire]
	for _, site := range g.registry.Sites {
		id := g.sites[site.Name]
		d, _ := s.deckFor(n, family, id)
		if d == nil {
			continue
		}
		from, here := newOrigin(g.atlas.Place(id)), all[site.Name]
		here.Served = true
		for _, o := range d.suit.odds(d) {
			part, spot := o.share/float64(d.size()), &g.spots[o.spot]
			all[spot.Site].Share += part / float64(len(g.registry.Sites))
			here.Km += part * max(from.km(spot), 0)
		}
	}
	return all
}
