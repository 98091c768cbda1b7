package zones

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/timepool/timepool/zones/strict"
)

// checker holds a decoded registry against the rules that no type can say.
type checker struct {
	r      *Registry
	docs   []*strict.Document // pool.yaml first
	starts []int              // the number of each document's first member
}

func (c *checker) check() {
	c.zone()
	c.nameservers()
	c.sites()
	c.prefer()
	c.profiles()
	c.names()
	c.strict()
	c.members()
	c.pools()
	c.records()
	c.delegations()
	c.floors()
	c.windows()
}

// member finds the document of the nth member, and its number there.
func (c *checker) member(n int) (*strict.Document, int) {
	i := sort.SearchInts(c.starts, n+1) - 1
	return c.docs[i], n - c.starts[i]
}

func (c *checker) zone() {
	z, doc := &c.r.Zone, c.docs[0]
	apexes := z.apexes()
	for i, a := range apexes {
		path := []any{"zone", "name"}
		if i > 0 {
			path = []any{"zone", "also", i - 1}
		}
		if i > 0 && len(a) > maxApex { // its own length is in the tag
			doc.Fault(fmt.Sprintf("is too long: with %d characters at most there is room for every name below it, has %d", maxApex, len(a)), path...)
		}
		for _, b := range apexes[:i] {
			if within(a, b) || within(b, a) {
				doc.Fault(fmt.Sprintf("%s and %s lie within each other", strict.Quote(a), strict.Quote(b)), path...)
				break
			}
		}
	}
	c.wholeSeconds(z.TTL, "zone", "ttl")
	c.wholeSeconds(z.NegativeTTL, "zone", "negative_ttl")
	c.known(doc, z.Default, "zone", "default")
}

func (c *checker) wholeSeconds(d time.Duration, path ...any) {
	if d%time.Second != 0 {
		c.docs[0].Fault(fmt.Sprintf("%v is not in whole seconds, as TTLs are", d), path...)
	}
}

// known reports a site that is not there.
func (c *checker) known(doc *strict.Document, site string, path ...any) {
	if site == "" || slices.ContainsFunc(c.r.Sites, func(s Site) bool { return s.Name == site }) {
		return
	}
	names := make([]string, len(c.r.Sites))
	for i, s := range c.r.Sites {
		names[i] = s.Name
	}
	doc.Fault("no site "+strict.Quote(site)+" in sites"+strict.DidYouMean(site, names), path...)
}

func (c *checker) nameservers() {
	z, doc := &c.r.Zone, c.docs[0]
	for i := range z.Nameservers {
		n := &z.Nameservers[i]
		at := []any{"zone", "nameservers", n.Name}
		if slices.Contains(z.apexes(), n.Name) {
			doc.Fault("the apex's own addresses are the pool's: give the name server a name below it", at...)
			continue
		}
		c.glue(n, z.holds(n.Name), "in the zone", at...)
	}
	if len(z.Nameservers) == 1 {
		doc.Warn("one name server: when it is away, so is the pool (RFC 2182 asks for two)", "zone", "nameservers")
	}
}

// unusable says what an address is that nobody can be sent to.
func unusable(a netip.Addr) string {
	switch {
	case !a.IsValid(): // a fault already
		return ""
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsLinkLocalUnicast():
		return "a link-local address, which means something on one link only"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	}
	return ""
}

func (c *checker) sites() {
	doc := c.docs[0]
	owner := make(map[netip.Prefix][]any)
	for _, s := range c.r.Sites {
		at := []any{"sites", s.Name}
		country, ok := FindCountry(s.Country)
		switch {
		case s.Country == "" && s.Continent == "" && !doc.Broken(at...):
			doc.Fault("wants a country or a continent", at...)
		case s.Country != "" && !ok && !doc.Broken(append(at, "country")...):
			doc.Fault("no country "+strict.Quote(s.Country)+" in ISO 3166", append(at, "country")...)
		case ok && s.Continent != "" && s.Continent != country.Continent:
			doc.Warn(fmt.Sprintf("%s lies in %s; taken as written", s.Country, country.Continent), append(at, "continent")...)
		}
		for i, n := range s.Networks {
			here := append(at, "networks", i)
			if first, ok := owner[n]; ok {
				doc.Fault(fmt.Sprintf("duplicate network %s (first in site %s at %s)", n, first[1], doc.Line(first...)), here...)
			} else if n.IsValid() {
				owner[n] = here
			}
		}
	}
}

func (c *checker) members() {
	type place struct{ member, address int }
	named, addressed := make(map[string]int, len(c.r.Members)), make(map[netip.Addr]place, 2*len(c.r.Members))
	sites := make(map[string]bool)
	for _, s := range c.r.Sites {
		sites[s.Name] = true
	}
	var loopback []place
	for n := range c.r.Members {
		m := &c.r.Members[n]
		doc, i := c.member(n)
		if first, ok := named[m.Name]; ok {
			doc.Fault(fmt.Sprintf("duplicate name %s (first at %s)", strict.Quote(m.Name), c.r.Members[first].Line), "members", i, "name")
		} else if m.Name != "" {
			named[m.Name] = n
		}
		if !sites[m.Site] {
			c.known(doc, m.Site, "members", i, "site")
		}
		c.whereabouts(doc, i, m)
		for j, a := range m.Addresses {
			if first, ok := addressed[a]; ok {
				d, k := c.member(first.member)
				doc.Fault(fmt.Sprintf("duplicate address %s (first at %s)", a, d.Line("members", k, "addresses", first.address)), "members", i, "addresses", j)
			} else if what := unusable(a); what != "" {
				doc.Fault(a.String()+" is "+what, "members", i, "addresses", j)
			} else if a.IsValid() {
				addressed[a] = place{n, j}
			}
			if a.IsLoopback() {
				loopback = append(loopback, place{n, j})
			}
		}
	}
	if loopback != nil { // one warning: a demo has nothing else
		doc, i := c.member(loopback[0].member)
		doc.Warn(fmt.Sprintf("loopback address: only this host reaches it (%d such in all)", len(loopback)), "members", i, "addresses", loopback[0].address)
	}
}

func (c *checker) pools() {
	tags := make(map[string]bool)
	for _, m := range c.r.Members {
		for _, t := range m.Tags {
			tags[t] = true
		}
	}
	for _, p := range c.r.Pools {
		c.wholeSeconds(p.TTL, "pools", p.Name, "ttl")
		c.lists(&p)
		for i, t := range p.Tags {
			if !tags[t] {
				c.docs[0].Warn("no member has the tag "+strict.Quote(t), "pools", p.Name, "tags", i)
			}
		}
	}
}
