package zones

import (
	"cmp"
	"fmt"
	"maps"

	"github.com/timepool/timepool/zones/strict"
)

// prefer holds the orders of sites made by hand against the sites.
func (c *checker) prefer() {
	doc := c.docs[0]
	for _, p := range c.r.Prefer {
		c.site(doc, p.Site, "prefer", p.Site)
		c.each(p.Sites, "site", func(site string, at ...any) {
			if site == p.Site {
				doc.Fault("is the site itself, which always comes first", at...)
			} else {
				c.site(doc, site, at...)
			}
		}, "prefer", p.Site)
	}
}

// strict holds the names that never widen against the places there are.
func (c *checker) strict() {
	places, pools := maps.Clone(c.sites), make(map[string]bool)
	for _, name := range Continents {
		places[name] = true
	}
	for _, country := range Countries() {
		places[country.Code] = true
	}
	for _, p := range c.r.Pools {
		pools[p.Name] = true
	}
	c.each(c.r.Zone.Strict, "name", func(name string, at ...any) {
		if pools[name] {
			c.docs[0].Fault("the pool "+strict.Quote(name)+" never widens beyond its members: name continents, countries and sites", at...)
		} else {
			c.unknown(c.docs[0].Fault, "continent, country or site", name, "", places, at...)
		}
	}, "zone", "strict")
}

// host warns of a member that is not there.
func (c *checker) host(name string, at ...any) {
	c.unknown(c.docs[0].Warn, "member", name, "", c.members, at...)
}

// pools holds who a pool names against who there is.
func (c *checker) pools() {
	doc := c.docs[0]
	for _, p := range c.r.Pools {
		at := []any{"pools", p.Name}
		c.wholeSeconds(p.TTL, append(at, "ttl")...)
		if len(p.Tags) == 0 && len(p.Include) == 0 && !doc.Broken(at...) {
			doc.Fault(`wants "tags" or "include": nobody is in it`, at...)
		}
		c.each(p.Tags, "", func(tag string, at ...any) {
			if !c.tags[tag] {
				doc.Warn("no member has the tag "+strict.Quote(tag), at...)
			}
		}, append(at, "tags")...)
		included := make(map[string]bool)
		c.each(p.Include, "name", func(name string, at ...any) {
			c.host(name, at...)
			included[name] = name != ""
		}, append(at, "include")...)
		c.each(p.Exclude, "name", func(name string, at ...any) {
			if c.host(name, at...); included[name] {
				doc.Fault(strict.Quote(name)+" is also in include", at...)
			}
		}, append(at, "exclude")...)
	}
}

// floors warns of what no widening can reach.
func (c *checker) floors() {
	z := &c.r.Zone
	c.reach(&Pool{Answers: z.Answers, Floor: z.Floor, FloorNetspeed: z.FloorNetspeed, MinSites: z.MinSites}, "zone")
	for i := range c.r.Pools {
		c.reach(&c.r.Pools[i], "pools", c.r.Pools[i].Name)
	}
}

// reach warns where all members of p together are below what it asks for.
func (c *checker) reach(p *Pool, path ...any) {
	doc := c.docs[0]
	if answers := cmp.Or(p.Answers, c.r.Zone.Answers); p.MinSites > answers {
		doc.Fault(fmt.Sprintf("is more than the %d answers", answers), append(path, "min_sites")...)
	}
	if p.Name != "" && len(p.Tags)+len(p.Include) == 0 {
		return
	}
	members, netspeed, unplaced, sites := 0, 0, 0, map[string]bool{}
	for i := range c.r.Members {
		if m := &c.r.Members[i]; p.Has(m) && m.Servable() {
			members, netspeed = members+1, netspeed+m.Netspeed
			if m.Site == "" {
				unplaced++
			} else {
				sites[m.Site] = true
			}
		}
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
		if at := append(path, f.key); f.want > f.have && doc.Has(at...) {
			doc.Warn(fmt.Sprintf("%d is out of reach: the members that may be handed out here have %d", f.want, f.have), at...)
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
