package zones

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// maxChanges bounds what Diff tells.
const maxChanges = 100

// Diff tells in one line each what an edit changed: "member ntp1.fra: state
// active → drain (CHG-4711)", "site tyo: network 10.48.0.0/12 added". After a
// hundred lines it says how many more there are. Files moved about, comments
// and the order of things are no change.
func Diff(old, new *Registry) []string {
	var lines []string
	lines = compare(lines, []Zone{old.Zone}, []Zone{new.Zone}, func(Zone) string { return "zone" }, zoneWords)
	lines = compare(lines, old.Sites, new.Sites, func(s Site) string { return "site " + s.Name }, siteWords)
	lines = compare(lines, old.Prefer, new.Prefer, func(p Preference) string { return "prefer " + p.Site }, func(p Preference) words {
		return words{{"order", strings.Join(p.Sites, ", ")}}
	})
	lines = compare(lines, old.Profiles, new.Profiles, func(p Profile) string { return "profile " + p.Name }, profileWords)
	lines = compare(lines, tenants(old), tenants(new), func(p Pool) string { return "pool " + p.Name }, poolWords)
	lines = compare(lines, old.Members, new.Members, func(m Member) string { return "member " + m.Name }, memberWords)
	lines = append(lines, changes("record", recordTexts(old), recordTexts(new))...)
	lines = compare(lines, old.Delegations, new.Delegations, func(d Delegation) string { return "delegation " + d.Name }, func(d Delegation) words {
		return words{{"ttl", d.TTL}, {"name server", serverTexts(d.Nameservers)}, {"ds", texts(d.DS)}}
	})
	if n := len(lines) - maxChanges; n > 0 {
		lines = append(lines[:maxChanges], fmt.Sprintf("and %d more changes", n))
	}
	return lines
}

// words are the values of a thing by their names, in the order told. A value
// that is a []string is a set: what came and went is told.
type words []struct {
	name  string
	value any
}

func zoneWords(z Zone) words {
	w := words{{"name", z.Name}, {"also", z.Also}, {"contact", z.Contact}, {"ttl", z.TTL}, {"negative_ttl", z.NegativeTTL},
		{"answers", z.Answers}, {"floor", z.Floor}, {"floor_netspeed", z.FloorNetspeed},
		{"min_sites", z.MinSites}, {"strict", z.Strict}, {"ramp", z.Ramp}, {"near", fmt.Sprintf("%d %% or %d km", z.Near.Percent, z.Near.Km)}, {"serial", z.Serial}, {"default", z.Default},
		{"profile", z.Profile}, {"readmit", z.Readmit}, {"hold", z.Hold}, {"ecs", z.ECS.On}, {"trusted network", texts(z.ECS.Trusted)}}
	return append(w, words{{"name server", serverTexts(z.Nameservers)}}...)
}

func serverTexts(servers []Nameserver) (lines []string) {
	for _, n := range servers {
		lines = append(lines, strings.TrimSpace(n.Name+" "+strings.Join(texts(n.Addresses), " ")))
	}
	return lines
}

func recordTexts(r *Registry) (lines []string) {
	for i := range r.Records {
		for _, rr := range r.Records[i].RRs() {
			lines = append(lines, fmt.Sprintf("%s %v %s", r.Records[i].Name, r.Records[i].TTL, rr))
		}
	}
	return lines
}

func siteWords(s Site) words {
	return words{{"continent", s.Continent}, {"country", s.Country}, {"position", fmt.Sprint(s.At.Lat, " ", s.At.Lon)}, {"network", texts(s.Networks)}}
}

func profileWords(p Profile) words {
	return words{{"max_stratum", p.MaxStratum}, {"max_root_distance", p.MaxRootDistance}, {"path", p.Path}, {"bands", fmt.Sprint(p.Bands)}, {"beyond", p.Beyond}}
}

func poolWords(p Pool) words {
	return words{{"tag", p.Tags}, {"include", p.Include}, {"exclude", p.Exclude}, {"ttl", p.TTL}, {"answers", p.Answers}, {"floor", p.Floor},
		{"floor_netspeed", p.FloorNetspeed}, {"min_sites", p.MinSites}}
}

func memberWords(m Member) words {
	state := m.State.String()
	if m.Reason != "" {
		state += " (" + m.Reason + ")"
	}
	return words{{"address", texts(m.Addresses)}, {"site", m.Site}, {"country", m.Country}, {"position", fmt.Sprint(m.At.Lat, " ", m.At.Lon)}, {"netspeed", m.Netspeed}, {"state", state}, {"paused", m.Paused}, {"tag", m.Tags}}
}

// tenants are the pools but the whole one, whose values are the zone's.
func tenants(r *Registry) []Pool { return r.Pools[min(1, len(r.Pools)):] }

func texts[T fmt.Stringer](in []T) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = x.String()
	}
	return out
}

// compare tells what came, went and changed, in the order of new, then what is gone.
func compare[T any](lines []string, old, new []T, name func(T) string, tell func(T) words) []string {
	was := make(map[string]T, len(old))
	for _, o := range old {
		was[name(o)] = o
	}
	for _, n := range new {
		o, ok := was[name(n)]
		delete(was, name(n))
		if !ok {
			lines = append(lines, name(n)+" added")
			continue
		}
		before, after := tell(o), tell(n)
		for i, a := range after {
			for _, change := range changes(a.name, before[i].value, a.value) {
				lines = append(lines, name(n)+": "+change)
			}
		}
	}
	for _, gone := range slices.Sorted(maps.Keys(was)) {
		lines = append(lines, gone+" removed")
	}
	return lines
}

// changes tells how a value called name became another.
func changes(name string, before, after any) (lines []string) {
	was, ok := before.([]string)
	if !ok {
		if before != after {
			lines = append(lines, fmt.Sprintf("%s %s → %s", name, orNone(before), orNone(after)))
		}
		return lines
	}
	is := after.([]string)
	for _, x := range is {
		if !slices.Contains(was, x) {
			lines = append(lines, name+" "+x+" added")
		}
	}
	for _, x := range was {
		if !slices.Contains(is, x) {
			lines = append(lines, name+" "+x+" removed")
		}
	}
	return lines
}

func orNone(v any) string {
	if s := fmt.Sprint(v); s != "" {
		return s
	}
	return "none"
}

// Losses tells which sites the edit would cost more than half of the addresses
// they are served by: eligible says which addresses are handed out now, and
// one is lost when new has no active member with a netspeed for it. It goes by
// address, so renaming a member or a site, or moving members between sites,
// loses nothing. Members without a site count as one. It is empty when no site
// loses as much; an edit that costs more should be asked for twice.
func Losses(old, new *Registry, eligible func(netip.Addr) bool) []string {
	served := func(m *Member) bool { return m.State == Active && m.Netspeed > 0 }
	kept := make(map[netip.Addr]bool)
	for i := range new.Members {
		if m := &new.Members[i]; served(m) {
			for _, a := range m.Addresses {
				kept[a] = true
			}
		}
	}
	had, lost := make(map[string]int), make(map[string]int)
	for i := range old.Members {
		m := &old.Members[i]
		for _, a := range m.Addresses {
			if served(m) && eligible(a) {
				had[m.Site]++
				if !kept[a] {
					lost[m.Site]++
				}
			}
		}
	}
	var lines []string
	for _, site := range slices.Sorted(maps.Keys(lost)) {
		if 2*lost[site] <= had[site] {
			continue
		}
		name := "site " + site
		if site == "" {
			name = "members without a site"
		}
		lines = append(lines, fmt.Sprintf("%s would lose %d of %d eligible addresses", name, lost[site], had[site]))
	}
	return lines
}
