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
	type owner struct {
		what string
		path []any // where it stands; nil: in no file
	}
	taken := make(map[string]owner)
	builtin := func(what string, names ...string) {
		for _, name := range names {
			taken[name] = owner{what: strings.ReplaceAll(what, "NAME", name)}
		}
	}
	builtin("a part of the pool, as in NAME."+c.r.Zone.Name, "0", "1", "2", "3")
	builtin("the continent NAME", Continents...)
	builtin("a name that explains answers", "_why", "_status", "_member")
	for _, country := range Countries() {
		builtin("the country NAME", country.Code)
	}
	seen := make(map[[2]string]bool)
	// Of one group several may stand under one label.
	claim := func(label, group, what string, path ...any) {
		at := [2]string{label, group}
		if seen[at] {
			return
		}
		seen[at] = true
		other, ok := taken[label]
		if !ok {
			taken[label] = owner{"the " + what + " " + label, path}
			return
		}
		if other.path != nil { // only now: it is a walk through the file
			other.what += " (" + c.docs[0].Line(other.path...) + ")"
		}
		c.docs[0].Fault(strict.Quote(label)+" is also "+other.what+": name the "+what+" otherwise", path...)
	}
	top := func(below string) string { return below[strings.LastIndexByte(below, '.')+1:] }
	for _, s := range c.r.Sites {
		claim(s.Name, "site", "site", "sites", s.Name)
	}
	for _, p := range c.r.Pools {
		claim(p.Name, "pool", "pool", "pools", p.Name)
	}
	for _, n := range c.r.Zone.Nameservers {
		for _, apex := range c.r.Zone.apexes() {
			if below, ok := strings.CutSuffix(n.Name, "."+apex); ok {
				claim(top(below), "server", "name server", "zone", "nameservers", n.Name)
			}
		}
	}
	for i, r := range c.r.Records {
		if r.Name != "@" && r.Name != "" {
			claim(top(r.Name), "static", "record", "records", i, "name")
		}
	}
	for _, d := range c.r.Delegations {
		claim(top(d.Name), "static", "delegation", "delegations", d.Name)
	}
}
