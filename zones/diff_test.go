package zones

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const unedited = `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.53]}}
sites:
  fra: {country: de, at: [50.11, 8.68], networks: [10.16.0.0/12]}
  tyo: {country: jp, at: [35.68, 139.69], networks: [10.32.0.0/12]}
members:
  - {name: a, addresses: [10.16.0.1, "fd00::1"], site: fra, tags: [dmz]}
  - {name: b, addresses: [10.16.0.2], site: fra, tags: [dmz]}
  - {name: c, addresses: [10.32.0.1], site: tyo}
pools:
  dmz: {tags: [dmz]}
`

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name string
		edit []string // pairs of old and new text
		want []string
	}{
		{"nothing", nil, nil},
		{"comment and order", []string{"members:\n", "members: # ours\n", "fra: {country: de, at", "fra: {continent: europe, country: de, at"}, nil},
		{"profile", []string{"pools:", "profiles: {strict: {bands: [{up_to: 5ms, from: 1, to: 1}]}}\npools:", "zone: {", "zone: {profile: strict, "}, []string{"zone: profile lan → strict", "profile strict added"}},
		{"drain", []string{"[10.16.0.2], site: fra", "[10.16.0.2], site: fra, state: drain, reason: CHG-4711"}, []string{"member b: state active → drain", "member b: reason none → CHG-4711"}},
		{"network", []string{"[10.32.0.0/12]", "[10.32.0.0/12, 10.48.0.0/12]"}, []string{"site tyo: network 10.48.0.0/12 added"}},
		{"member gone", []string{`  - {name: c, addresses: [10.32.0.1], site: tyo}` + "\n", ""}, []string{"member c removed"}},
		{"member new", []string{"pools:", "  - {name: d, addresses: [10.0.0.9]}\npools:"}, []string{"member d added"}},
		{"addresses", []string{`[10.16.0.1, "fd00::1"]`, `[10.16.0.1, "fd00::2"]`}, []string{"member a: address fd00::2 added", "member a: address fd00::1 removed"}},
		{"site left", []string{"[10.32.0.1], site: tyo", "[10.32.0.1], netspeed: 5"}, []string{"member c: site tyo → none", "member c: netspeed 1000 → 5"}},
		{"zone", []string{"name: pool.example,", "name: pool.example, ttl: 60s, ecs: off, debug: [10.0.0.0/8], also: [x.example], "}, []string{"zone: also x.example added", "zone: ttl 2m30s → 1m0s", "zone: ecs on → off", "zone: debug 10.0.0.0/8 added", "pool dmz: ttl 2m30s → 1m0s"}},
		{"glue", []string{"192.0.2.53", "192.0.2.54"}, []string{"zone: nameserver ns1.pool.example: 192.0.2.53 → 192.0.2.54"}},
		{"pool", []string{"dmz: {tags: [dmz]}", "lab: {tags: [dmz]}"}, []string{"pool lab added", "pool dmz removed"}},
		{"tag", []string{"fra, tags: [dmz]}\n  - {name: b", "fra}\n  - {name: b"}, []string{"member a: tag dmz removed"}},
		{"choice", []string{"name: pool.example,", "name: pool.example, ramp: 15, near: {km: 5}, strict: [asia],", "pools:", "prefer: {tyo: [fra]}\npools:", "{tags: [dmz]}\n", "{tags: [dmz], exclude: [b], min_sites: 2}\n"},
			[]string{"zone: strict asia added", "zone: ramp 0 → 15", "zone: near: km 50 → 5", "prefer tyo added", "pool dmz: exclude b added", "pool dmz: min_sites 0 → 2"}},
		{"elsewhere", []string{"[10.32.0.1], site: tyo", "[10.32.0.1], country: de, at: [1, 2], state: fallback"}, []string{"member c: site tyo → none", "member c: country none → de", "member c: at none → 1 2", "member c: state active → fallback"}},
		{"trusted", []string{"name: pool.example,", "name: pool.example, ecs: {trusted: [10.0.0.0/8]},"}, []string{"zone: ecs on → trusted [10.0.0.0/8]"}},
		{"records", []string{"pools:", "records: [{name: www, ttl: 5m, mx: [{host: .}], txt: [a]}]\ndelegations: {sub: {nameservers: {ns.other: []}}}\npools:"},
			[]string{"delegation sub added", "record www 5m0s TXT \"a\" added", "record www 5m0s MX 0 . added"}},
		{"moved", []string{"[35.68, 139.69]", "[0, 0]"}, []string{"site tyo: at 35.68 139.69 → 0 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := strings.NewReplacer(c.edit...).Replace(unedited)
			if got := Diff(load(t, unedited), load(t, after)); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestDiffTellsPauses(t *testing.T) {
	before, after := load(t, unedited), load(t, unedited)
	after.Members[0].Paused = true
	if got := Diff(before, after); !slices.Equal(got, []string{"member a: paused false → true"}) {
		t.Errorf("%q", got)
	}
}

func TestDiffBounded(t *testing.T) {
	few, many := load(t, unedited), load(t, string(manyMembers(500)))
	got := Diff(few, many)
	if len(got) != maxChanges+1 || !strings.HasSuffix(got[maxChanges], " more changes") {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

func TestLosses(t *testing.T) {
	all := func(netip.Addr) bool { return true }
	const c = `  - {name: c, addresses: [10.32.0.1], site: tyo}`
	for _, tc := range []struct {
		name     string
		edit     []string
		eligible func(netip.Addr) bool
		want     []string
	}{
		{"nothing", nil, all, nil},
		{"last of a site", []string{c + "\n", ""}, all, []string{"site tyo would lose 1 of 1 eligible addresses"}},
		{"last of a site, out before", []string{c + "\n", ""}, func(a netip.Addr) bool { return a != netip.MustParseAddr("10.32.0.1") }, nil},
		{"drained", []string{"[10.32.0.1],", "[10.32.0.1], state: drain,"}, all, []string{"site tyo would lose 1 of 1 eligible addresses"}},
		{"weight 0", []string{"[10.32.0.1],", "[10.32.0.1], netspeed: 0,"}, all, []string{"site tyo would lose 1 of 1 eligible addresses"}},
		{"a third", []string{"[10.16.0.2],", "[10.16.0.2], state: off,"}, all, nil},
		{"two thirds", []string{`[10.16.0.1, "fd00::1"],`, `[10.16.0.3],`}, all, []string{"site fra would lose 2 of 3 eligible addresses"}},
		{"just half", []string{`[10.16.0.1, "fd00::1"],`, `[10.16.0.1, "fd00::1"], state: off,`}, func(a netip.Addr) bool { return a.Is4() }, nil},
		{"renamed", []string{"name: a,", "name: a2,", "name: b,", "name: b2,"}, all, nil},
		{"renamed site", []string{"fra", "ber"}, all, nil},
		{"without a site", []string{c, "  - {name: c, addresses: [10.32.0.9]}"}, all, []string{"site tyo would lose 1 of 1 eligible addresses"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			after := strings.NewReplacer(tc.edit...).Replace(unedited)
			if got := Losses(load(t, unedited), load(t, after), tc.eligible); !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	homeless := load(t, strings.ReplaceAll(unedited, ", site: fra", ""))
	gone := load(t, strings.ReplaceAll(unedited, ", site: fra", ", state: off"))
	if got, want := Losses(homeless, gone, all), []string{"members without a site would lose 3 of 3 eligible addresses"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLossesCounted holds Losses against counting by hand.
func TestLossesCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) *Registry {
			r := &Registry{}
			for i := range 12 {
				if rapid.Bool().Draw(t, what) {
					r.Members = append(r.Members, Member{
						Name: fmt.Sprint(what, i), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}, Site: []string{"", "fra", "tyo"}[i%3],
						State: State(rapid.IntRange(0, 1).Draw(t, "state")), Netspeed: rapid.IntRange(0, 1).Draw(t, "netspeed"),
					})
				}
			}
			return r
		}
		old, new := draw("old"), draw("new")
		served := func(r *Registry, site, ip int) bool {
			for _, m := range r.Members {
				if ip%3 == site && m.Addresses[0].As4()[3] == byte(ip) {
					return m.State == Active && m.Netspeed > 0
				}
			}
			return false
		}
		want := 0
		for site := range 3 {
			had, lost := 0, 0
			for ip := range 12 {
				if served(old, site, ip) {
					had++
					if !served(new, site, ip) {
						lost++
					}
				}
			}
			if lost > had/2 && lost*2 != had {
				want++
			}
		}
		if got := Losses(old, new, func(netip.Addr) bool { return true }); len(got) != want {
			t.Fatalf("%q, want %d sites", got, want)
		}
	})
}
