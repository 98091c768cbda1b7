package zones

import (
	"strings"

	"github.com/timepool/timepool/zones/strict"
)

// maxName is the most characters of a domain name (RFC 1035 §2.3.4: 255 octets
// on the wire).
const maxName = 253

// maxApex leaves room for the longest name below an apex: _why.0.SITE.POOL, of two
// labels with 63 characters. Zone.Name has it in its tag.
const maxApex = maxName - len("_why.0.") - 2*64

// apexes are the zone's name and those of also.
func (z *Zone) apexes() []string { return append([]string{z.Name}, z.Also...) }

// holds reports whether name is one of the apexes or below one.
func (z *Zone) holds(name string) bool {
	for _, apex := range z.apexes() {
		if within(name, apex) {
			return true
		}
	}
	return false
}

// within reports whether name is apex or below it.
func within(name, apex string) bool {
	return name == apex || strings.HasSuffix(name, "."+apex)
}

// names holds every label right below the apex against every other: they share
// one namespace, whatever they are for.
func (c *checker) names() {
	taken := make(map[string]string)
	for _, n := range []string{"0", "1", "2", "3"} {
		taken[n] = "a part of the pool, as in " + n + "." + c.r.Zone.Name
	}
	for _, name := range Continents {
		taken[name] = "the continent " + name
	}
	for _, country := range Countries() {
		taken[country.Code] = "the country " + country.Code
	}
	for _, name := range []string{"_why", "_status", "_member"} {
		taken[name] = "a name that explains answers"
	}
	claim := func(label, what, rename string, path ...any) {
		if other, ok := taken[label]; ok {
			c.docs[0].Fault(strict.Quote(label)+" is also "+other+": "+rename, path...)
			return
		}
		taken[label] = what + " " + label + " (" + c.docs[0].Line(path...) + ")"
	}
	for _, s := range c.r.Sites {
		claim(s.Name, "the site", "name the site otherwise", "sites", s.Name)
	}
	for _, p := range c.r.Pools {
		claim(p.Name, "the pool", "name the pool otherwise", "pools", p.Name)
	}
	share := func() func(below, what string, path ...any) { // several may stand under one label
		labels := make(map[string]bool)
		return func(below, what string, path ...any) {
			if label := below[strings.LastIndexByte(below, '.')+1:]; !labels[label] {
				labels[label] = true
				claim(label, "the "+what, "name the "+what+" otherwise", path...)
			}
		}
	}
	server, static := share(), share()
	for _, n := range c.r.Zone.Nameservers {
		for _, apex := range c.r.Zone.apexes() {
			if below, ok := strings.CutSuffix(n.Name, "."+apex); ok {
				server(below, "name server", "zone", "nameservers", n.Name)
			}
		}
	}
	for i, r := range c.r.Records {
		if r.Name != "@" && r.Name != "" {
			static(r.Name, "record", "records", i, "name")
		}
	}
	for _, d := range c.r.Delegations {
		static(d.Name, "delegation", "delegations", d.Name)
	}
}
