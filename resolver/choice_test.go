package resolver

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

// TestRules holds each rule of the choice against who is offered, on twelve
// members in four sites.
func TestRules(t *testing.T) {
	const all = inFra + inMuc + " " + inOsa + inTyo
	fallback := func(names ...string) func(r *zones.Registry) {
		return func(r *zones.Registry) {
			for i := range r.Members {
				if slices.Contains(names, r.Members[i].Name) {
					r.Members[i].State = zones.Fallback
				}
			}
		}
	}
	for _, c := range []struct {
		name, owner, client string
		edit                func(r *zones.Registry)
		want                string
	}{
		{"prefer, a client", "pool.example", tyo, func(r *zones.Registry) { r.Prefer = []zones.Preference{{Site: "tyo", Sites: []string{"muc", "osa"}}} }, inMuc[1:] + inTyo},
		{"prefer, the site's name", "tyo.pool.example", fra, func(r *zones.Registry) {
			r.Prefer, r.Pools[0].Floor = []zones.Preference{{Site: "tyo", Sites: []string{"muc", "fra"}}}, 7
		}, inFra + inMuc + inTyo},
		{"prefer, others stay", "pool.example", fra, func(r *zones.Registry) { r.Prefer = []zones.Preference{{Site: "tyo", Sites: []string{"muc"}}} }, inFra + inMuc},
		{"floor_netspeed met", "pool.example", fra, func(r *zones.Registry) { r.Pools[0].FloorNetspeed = 6000 }, inFra + inMuc},
		{"floor_netspeed widens", "pool.example", fra, func(r *zones.Registry) { r.Pools[0].FloorNetspeed = 6001 }, all},
		{"min_sites widens", "pool.example", fra, func(r *zones.Registry) { r.Pools[0].MinSites = 3 }, all},
		{"min_sites within a ring", "pool.example", tyo, func(r *zones.Registry) { r.Pools[0].Floor, r.Pools[0].MinSites = 1, 2 }, inOsa + inTyo},
		{"strict site", "fra.pool.example", tyo, func(r *zones.Registry) { r.Zone.Strict = []string{"fra"} }, inFra},
		{"strict numbered", "1.fra.pool.example", tyo, func(r *zones.Registry) {
			r.Zone.Strict, r.Pools[0].Floor = []string{"fra"}, 12
			keep(r, "fra1", "tyo1")
		}, "fra1"},
		{"strict is no matter of clients", "pool.example", fra, func(r *zones.Registry) { r.Zone.Strict = []string{"fra"} }, inFra + inMuc},
		{"strict continent", "asia.pool.example", fra, func(r *zones.Registry) { r.Zone.Strict, r.Pools[0].Floor = []string{"asia"}, 10 }, inOsa + inTyo},
		{"strict country without members", "fr.pool.example", fra, func(r *zones.Registry) { r.Zone.Strict = []string{"fr"} }, ""},
		{"strict site before those it prefers", "fra.pool.example", fra, func(r *zones.Registry) {
			r.Zone.Strict, r.Prefer = []string{"fra"}, []zones.Preference{{Site: "fra", Sites: []string{"tyo"}}}
			keep(r, "tyo1")
		}, ""},
		{"fallback not needed", "pool.example", fra, fallback("fra1", "tyo1"), "fra2 fra3" + inMuc},
		{"fallback where the floor is out of reach", "pool.example", fra, func(r *zones.Registry) { r.Pools[0].Floor = 12; fallback("fra1")(r) }, all},
		{"the nearest fallbacks only", "pool.example", fra, func(r *zones.Registry) {
			fallback("fra1", "fra2", "tyo1", "tyo2")(r)
			keep(r, "fra1", "fra2", "muc1", "muc2", "tyo1", "tyo2")
		}, "fra1 fra2 muc1 muc2"},
		{"fallbacks alone", "pool.example", tyo, func(r *zones.Registry) { keep(r, "fra1", "tyo1"); fallback("fra1", "tyo1")(r) }, "fra1 tyo1"},
		{"fallback and strict", "fra.pool.example", tyo, func(r *zones.Registry) { r.Zone.Strict = []string{"fra"}; fallback("fra1")(r) }, inFra},
		{"tenant under a place", "asia.dmz.pool.example", fra, func(r *zones.Registry) { tag(r, "fra1", "fra2", "osa1", "tyo1", "tyo2") }, "osa1 tyo1 tyo2"},
		{"tenant under a country, numbered", "2.de.dmz.ntp.corp.example", tyo, func(r *zones.Registry) { tag(r, "fra1", "osa1") }, "fra1 osa1"},
		{"tenant, strict place", "asia.dmz.pool.example", fra, func(r *zones.Registry) { tag(r, "fra1", "tyo1"); r.Zone.Strict = []string{"asia"} }, "tyo1"},
		{"include and exclude", "dmz.pool.example", nowhere, func(r *zones.Registry) {
			tag(r, "fra1", "fra2", "fra3")
			r.Pools[1].Include, r.Pools[1].Exclude = []string{"tyo1"}, []string{"fra2"}
		}, "fra1 fra3 tyo1"},
		{"near", "pool.example", fra, func(r *zones.Registry) { r.Zone.Near, r.Pools[0].Floor = zones.Near{Km: 20000}, 4 }, all},
		{"where a member says it is", "jp.pool.example", fra, func(r *zones.Registry) {
			for i := range r.Members {
				if m := &r.Members[i]; strings.HasPrefix(m.Name, "fra") {
					m.Site, m.Country = "", "jp" // in spite of a network of fra
				}
			}
			r.Zone.Strict = []string{"jp"}
		}, inFra + " " + inOsa + inTyo},
	} {
		r := twelve()
		c.edit(r)
		s := build(t, r, allIn(r, zones.In), Options{Seed: 1})
		if got := everybody(t, s, c.owner, 0, c.client); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestStrictNumbers: a number none of whose members is in a strict place has the
// others that are, in every family, and what is told is what is dealt.
func TestStrictNumbers(t *testing.T) {
	r := twelve()
	r.Zone.Strict = []string{"fra"}
	s := build(t, r, allIn(r, zones.In), Options{})
	var alone, all int
	for q := range quartersOf {
		owner := fmt.Sprintf("%d.fra.pool.example", q)
		switch got := everybody(t, s, owner, 0, tyo); {
		case got == inFra:
			all++
		case len(got) == len("fra1"):
			alone++
		default:
			t.Errorf("%s: %q", owner, got)
		}
		e, err := s.Explain(netip.MustParseAddr(tyo), netip.Prefix{}, owner)
		if err != nil || len(e.Types[0].Rings) != 1 {
			t.Errorf("%s: %+v, %v", owner, e, err)
		}
	}
	if alone != 3 || all != 1 {
		t.Errorf("%d numbers have one of three members, %d all", alone, all)
	}
}

// TestWeights: the addresses of a host share its weight with nothing left over,
// also on the ramp: else it may come to be longer on the line than all others
// leave room for, and stand twice in an answer.
func TestWeights(t *testing.T) {
	r := world("a fra 1 active - 10.16.0.1 10.16.0.2 10.16.0.3 10.16.0.4 10.16.0.5 10.16.0.6 10.16.0.7 10.16.0.8 10.16.0.9",
		"b fra 1 active - 10.16.1.1 10.16.1.2 10.16.1.3 10.16.1.4 10.16.1.5", "c fra 1 active - 10.16.2.1")
	r.Zone.Ramp = 20
	scores := zones.Scores{}
	for i, m := range r.Members {
		for n, a := range m.Addresses {
			scores[a] = zones.Score{Standing: zones.In, Value: 12 + float64(i+n)}
		}
	}
	for _, h := range build(t, r, scores, Options{}).bareSuit(0, 0).hosts {
		if h.weight == 0 || h.weight%uint64(h.count) != 0 {
			t.Errorf("%d addresses share a weight of %d", h.count, h.weight)
		}
	}
}

// keep leaves only these members.
func keep(r *zones.Registry, names ...string) {
	r.Members = slices.DeleteFunc(r.Members, func(m zones.Member) bool { return !slices.Contains(names, m.Name) })
}

func tag(r *zones.Registry, names ...string) {
	for i := range r.Members {
		if slices.Contains(names, r.Members[i].Name) {
			r.Members[i].Tags = []string{"dmz"}
		}
	}
}

// TestMinSites: whatever the weights and floors, an answer has members of as
// many sites as it is to span, where it has room for them and there are as many.
func TestMinSites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := twelve()
		r.Zone.Also, r.Pools = nil, r.Pools[:1]
		p := &r.Pools[0]
		p.MinSites, p.Answers, p.Floor = rapid.IntRange(1, 5).Draw(t, "sites"), rapid.IntRange(1, 6).Draw(t, "answers"), rapid.IntRange(1, 6).Draw(t, "floor")
		left := map[string]bool{}
		for i := range r.Members {
			m := &r.Members[i]
			m.Netspeed = rapid.SampledFrom([]int{0, 1, 1000, 50000}).Draw(t, "netspeed")
			if m.Netspeed > 0 {
				left[m.Site] = true
			}
		}
		s, err := Build(r, zones.NewAtlas(r, nil), allIn(r, zones.In), Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		want := min(p.MinSites, p.Answers, len(left))
		for _, client := range []string{fra, tyo, nowhere} {
			for turn := range uint64(20) {
				sites := map[string]bool{}
				got := asked(s, client, turn)
				for _, m := range got {
					sites[m[:3]] = true
				}
				if len(sites) < want {
					t.Fatalf("%v are of %d sites, want %d", got, len(sites), want)
				}
			}
		}
	})
}

// asked is ask for the apex without a test to fail.
func asked(s *Snapshot, client string, turn uint64) (names []string) {
	place, _ := s.atlas.Find(netip.MustParseAddr(client))
	d, _ := s.deckFor(s.names[ownerOf("pool.example")], 0, place)
	if d == nil {
		return nil
	}
	out, _ := d.deal(nil, turn)
	for ; len(out) > 0; out = out[16:] {
		addr, _ := netip.AddrFromSlice(out[12:16])
		for _, m := range s.ground.registry.Members {
			if slices.Contains(m.Addresses, addr) {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

// TestRamp: the weight goes up by tenths, and a member's share with it.
func TestRamp(t *testing.T) {
	for _, c := range []struct {
		score float64
		full  int
		want  uint64
	}{
		{10, 20, 1}, {9, 20, 1}, {-5, 20, 1}, {11.11, 20, 1}, {11.12, 20, 2}, {15, 20, 5}, {19.99, 20, 9}, {20, 20, 10},
		{10, 0, 10}, {-5, 0, 10}, {12.5, 15, 5}, {15, 15, 10}, {20, 15, 10},
	} {
		if got := tenths(c.score, c.full); got != c.want {
			t.Errorf("score %v, all at %d: %d tenths, want %d", c.score, c.full, got, c.want)
		}
	}
	r := twelve()
	r.Zone.Ramp, r.Pools[0].Answers = 20, 1
	keep(r, "fra1", "fra2", "fra3")
	scores := zones.Scores{}
	for i, value := range []float64{10, 20, 20} {
		scores[r.Members[i].Addresses[0]] = zones.Score{Standing: zones.In, Value: value}
	}
	s := build(t, r, scores, Options{})
	count := map[string]int{}
	for turn := range uint64(210) {
		count[ask(t, s, "pool.example", 0, fra, turn)[0]]++
	}
	if count["fra1"] != 10 || count["fra2"] != 100 || count["fra3"] != 100 {
		t.Errorf("at scores 10, 20, 20: %v", count)
	}
}

// TestEpoch: another epoch has others stand side by side; the same one deals the
// same; shares go on over it.
func TestEpoch(t *testing.T) {
	r := twelve()
	r.Pools[0].Floor = 12
	scores := allIn(r, zones.In)
	pairs := map[string]bool{}
	var turns *Turns
	count := map[string]int{}
	const epochs, queries = 6, 36
	for epoch := range uint64(epochs) {
		s := build(t, r, scores, Options{Seed: 5, Epoch: epoch})
		if a, b := asked(s, nowhere, 7), asked(build(t, r, scores, Options{Seed: 5, Epoch: epoch}), nowhere, 7); !slices.Equal(a, b) {
			t.Fatalf("one epoch deals %v and %v", a, b)
		}
		turns = newTurns(s, turns, 1)
		_, number := s.deckFor(s.names[ownerOf("pool.example")], 0, 0)
		for range queries {
			got := asked(s, nowhere, turns.next(number))
			for _, m := range got {
				count[m]++
			}
			slices.Sort(got)
			for i, a := range got {
				for _, b := range got[:i] {
					pairs[fmt.Sprint(a, b)] = true
				}
			}
		}
	}
	for m, n := range count {
		if math.Abs(float64(n)-epochs*queries*4/12.0) > 2 {
			t.Errorf("%s came up %d times, want about %d", m, n, epochs*queries*4/12)
		}
	}
	if len(pairs) <= 3*6 { // of 66; 18 are what one order has
		t.Errorf("only %d pairs were ever seen", len(pairs))
	}
}
