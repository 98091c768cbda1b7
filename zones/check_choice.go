package zones

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/timepool/timepool/zones/strict"
)

// prefer holds the orders of sites made by hand against the sites.
func (c *checker) prefer() {
	doc := c.docs[0]
	for _, p := range c.r.Prefer {
		c.known(doc, p.Site, "prefer", p.Site)
		for i, site := range p.Sites {
			at := []any{"prefer", p.Site, i}
			switch {
			case site == p.Site:
				doc.Fault("is the site itself, which always comes first", at...)
			case site != "" && slices.Contains(p.Sites[:i], site):
				doc.Fault("duplicate site "+strict.Quote(site), at...)
			default:
				c.known(doc, site, at...)
			}
		}
	}
}

// strict holds the names that never widen against the places there are.
func (c *checker) strict() {
	places := slices.Clone(Continents)
	for _, country := range Countries() {
		places = append(places, country.Code)
	}
	for _, s := range c.r.Sites {
		places = append(places, s.Name)
	}
	for i, name := range c.r.Zone.Strict {
		at := []any{"zone", "strict", i}
		switch {
		case name == "":
		case slices.Contains(c.r.Zone.Strict[:i], name):
			c.docs[0].Fault("duplicate name "+strict.Quote(name), at...)
		case slices.ContainsFunc(c.r.Pools, func(p Pool) bool { return p.Name == name }):
			c.docs[0].Fault("the pool "+strict.Quote(name)+" never widens beyond its members: name continents, countries and sites", at...)
		case !slices.Contains(places, name):
			c.docs[0].Fault("no continent, country or site "+strict.Quote(name)+strict.DidYouMean(name, places), at...)
		}
	}
}

// whereabouts holds what a member says of where it is against the rest.
func (c *checker) whereabouts(doc *strict.Document, i int, m *Member) {
	at := []any{"members", i, "country"}
	if _, ok := FindCountry(m.Country); m.Country != "" && !ok && !doc.Broken(at...) {
		doc.Fault("no country "+strict.Quote(m.Country)+" in ISO 3166", at...)
	}
	if m.Site != "" && m.Country != "" {
		doc.Fault("the site "+strict.Quote(m.Site)+" says where it is: leave one of the two out", at...)
	} else if at[2] = "at"; m.Site != "" && m.At.Known {
		doc.Fault("the site "+strict.Quote(m.Site)+" says where it is: leave one of the two out", at...)
	}
}

// lists holds who a pool names against who there is.
func (c *checker) lists(p *Pool) {
	if len(p.Tags) == 0 && len(p.Include) == 0 && !c.docs[0].Broken("pools", p.Name) {
		c.docs[0].Fault(`wants "tags" or "include": nobody is in it`, "pools", p.Name)
	}
	var names []string
	known := make(map[string]bool)
	if p.Include != nil || p.Exclude != nil {
		for i := range c.r.Members {
			names, known[c.r.Members[i].Name] = append(names, c.r.Members[i].Name), true
		}
	}
	for n, list := range [][]string{p.Include, p.Exclude} {
		for i, name := range list {
			at := []any{"pools", p.Name, [...]string{"include", "exclude"}[n], i}
			if slices.Contains(list[:i], name) {
				c.docs[0].Fault("duplicate name "+strict.Quote(name), at...)
			} else if name != "" && !known[name] {
				c.docs[0].Warn("no member "+strict.Quote(name)+strict.DidYouMean(name, names), at...)
			}
		}
	}
	for i, name := range p.Exclude {
		if name != "" && slices.Contains(p.Include, name) {
			c.docs[0].Fault(strict.Quote(name)+" is also in include", "pools", p.Name, "exclude", i)
		}
	}
}

// floors warns of what no widening can reach.
func (c *checker) floors() {
	z := &c.r.Zone
	if z.MinSites > z.Answers && z.Answers > 0 {
		c.docs[0].Fault(fmt.Sprintf("is more than the %d answers", z.Answers), "zone", "min_sites")
	}
	c.reach(&Pool{Floor: z.Floor, FloorNetspeed: z.FloorNetspeed, MinSites: z.MinSites}, "zone")
	for i := range c.r.Pools {
		p := &c.r.Pools[i]
		if answers := cmp.Or(p.Answers, z.Answers); p.MinSites > answers && answers > 0 {
			c.docs[0].Fault(fmt.Sprintf("is more than the %d answers", answers), "pools", p.Name, "min_sites")
		}
		if len(p.Tags)+len(p.Include) > 0 {
			c.reach(p, "pools", p.Name)
		}
	}
}

// reach warns where all members of p together are below what it asks for.
func (c *checker) reach(p *Pool, path ...any) {
	members, netspeed, unplaced, sites := 0, 0, 0, map[string]bool{}
	for i := range c.r.Members {
		if m := &c.r.Members[i]; p.Has(m) && m.Servable() {
			members, netspeed = members+1, netspeed+m.Netspeed
			if sites[m.Site] = true; m.Site == "" {
				unplaced++
			}
		}
	}
	if unplaced > 0 {
		delete(sites, "")
	}
	for _, f := range []struct {
		key        string
		want, have int
	}{
		{"floor", p.Floor, members},
		{"floor_netspeed", p.FloorNetspeed, netspeed},
		{"min_sites", p.MinSites, len(sites) + unplaced},
	} {
		// What is not written is a wish.
		if at := append(path, f.key); f.want > f.have && c.docs[0].Has(at...) {
			c.docs[0].Warn(fmt.Sprintf("%d is out of reach: the members that may be handed out here have %d", f.want, f.have), at...)
		}
	}
}

// Servable reports whether m may be handed out when its score allows.
func (m *Member) Servable() bool {
	return (m.State == Active || m.State == Fallback) && m.Netspeed > 0
}

// Disagreements tells, one line an address, where GeoIP has a member in another
// country than the registry, by its site or its own country. That is no fault:
// the registry wins. Often it is a typing error, or a file that is out of date.
func Disagreements(r *Registry, g *GeoIP) (lines []string) {
	if g == nil {
		return nil
	}
	sites, file := make(map[string]string), NewAtlas(&Registry{}, g)
	for _, s := range r.Sites {
		sites[s.Name] = s.Country
	}
	for i := range r.Members {
		m := &r.Members[i]
		c, ok := FindCountry(m.Country)
		if !ok {
			c, ok = FindCountry(sites[m.Site])
		}
		for _, a := range m.Addresses {
			id, _ := file.Find(a)
			if there := file.Place(id).Country; ok && there != "" && there != c.Code {
				lines = append(lines, fmt.Sprintf("%s: member %s: GeoIP has %s in %s, the registry in %s", m.Line, m.Name, a, there, c.Code))
			}
		}
	}
	return lines
}
