package zones

import (
	"fmt"
	"maps"
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

	sites, members, tags map[string]bool // that there are
	hints                int             // how often unknown looked for what may be meant
}

// maxHints bounds how often that is: it is a look at every name there is, and
// nobody reads so many.
const maxHints = 100

func (c *checker) check() {
	c.sites, c.members, c.tags = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for _, s := range c.r.Sites {
		c.sites[s.Name] = true
	}
	for i := range c.r.Members {
		c.members[c.r.Members[i].Name] = true
		for _, t := range c.r.Members[i].Tags {
			c.tags[t] = true
		}
	}
	c.zone()
	c.nameservers()
	c.places()
	c.prefer()
	c.profiles()
	c.names()
	c.strict()
	c.hosts()
	c.pools()
	c.records()
	c.delegations()
	c.floors()
	c.windows()
}

// unknown says that there is no such name, and what may be meant.
func (c *checker) unknown(say func(what string, at ...any), thing, name, where string, known map[string]bool, at ...any) {
	if name == "" || known[name] {
		return
	}
	what := "no " + thing + " " + strict.Quote(name) + where
	if c.hints++; c.hints <= maxHints {
		what += strict.DidYouMean(name, slices.Sorted(maps.Keys(known)))
	}
	say(what, at...)
}

func (c *checker) site(doc *strict.Document, name string, at ...any) {
	c.unknown(doc.Fault, "site", name, " in sites", c.sites, at...)
}

// each calls it for every name of a list, but for those that stand twice, unless
// twice is "": what there may be one of.
func (c *checker) each(names []string, twice string, it func(name string, at ...any), at ...any) {
	seen := make(map[string]bool)
	for i, name := range names {
		if twice != "" && seen[name] && name != "" {
			c.docs[0].Fault("duplicate "+twice+" "+strict.Quote(name), append(at, i)...)
		} else {
			it(name, append(at, i)...)
		}
		seen[name] = true
	}
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
	c.site(doc, z.Default, "zone", "default")
}

func (c *checker) wholeSeconds(d time.Duration, path ...any) {
	if d%time.Second != 0 {
		c.docs[0].Fault(fmt.Sprintf("%v is not in whole seconds, as TTLs are", d), path...)
	}
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

// country reports one that is not there.
func (c *checker) country(doc *strict.Document, code string, at ...any) (found Country, ok bool) {
	found, ok = FindCountry(code)
	if code != "" && !ok && !doc.Broken(at...) {
		doc.Fault("no country "+strict.Quote(code)+" in ISO 3166", at...)
	}
	return found, ok
}

func (c *checker) places() {
	doc := c.docs[0]
	owner := make(map[netip.Prefix][]any)
	for _, s := range c.r.Sites {
		at := []any{"sites", s.Name}
		country, ok := c.country(doc, s.Country, append(at, "country")...)
		switch {
		case s.Country == "" && s.Continent == "" && !doc.Broken(at...):
			doc.Fault("wants a country or a continent", at...)
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

func (c *checker) hosts() {
	type place struct{ member, address int }
	named, addressed := make(map[string]int, len(c.r.Members)), make(map[netip.Addr]place, 2*len(c.r.Members))
	var loopback []place
	for n := range c.r.Members {
		m := &c.r.Members[n]
		doc, i := c.member(n)
		if first, ok := named[m.Name]; ok {
			doc.Fault(fmt.Sprintf("duplicate name %s (first at %s)", strict.Quote(m.Name), c.r.Members[first].Line), "members", i, "name")
		} else if m.Name != "" {
			named[m.Name] = n
		}
		c.site(doc, m.Site, "members", i, "site")
		c.country(doc, m.Country, "members", i, "country")
		if what := "the site " + strict.Quote(m.Site) + " says where it is: leave one of the two out"; m.Site != "" && m.Country != "" {
			doc.Fault(what, "members", i, "country")
		} else if m.Site != "" && m.At.Known {
			doc.Fault(what, "members", i, "at")
		}
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
