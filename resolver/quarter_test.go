package resolver

import (
	"fmt"
	"slices"
	"testing"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

func member(n, sites int) zones.Member {
	return zones.Member{Name: fmt.Sprintf("ntp%d", n), Site: fmt.Sprintf("s%d", mix(uint64(n))%uint64(sites)), Netspeed: 1}
}

// evenly fails unless the quarters of all, and those of each site, are the same
// size to within one.
func evenly(t *rapid.T, r *zones.Registry, quarters []int8) {
	sizes := map[string]*[4]int{"all": {}}
	for i, q := range quarters {
		if sizes[r.Members[i].Site] == nil {
			sizes[r.Members[i].Site] = &[4]int{}
		}
		sizes["all"][q]++
		sizes[r.Members[i].Site][q]++
	}
	for of, size := range sizes {
		if slices.Max(size[:])-slices.Min(size[:]) > 1 {
			t.Fatalf("quarters of %s: %v", of, *size)
		}
	}
}

// TestFallbackQuarters: fallbacks are split on their own, and active members as if
// there were none.
func TestFallbackQuarters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, alone := &zones.Registry{}, [2]*zones.Registry{{}, {}}
		for n := range rapid.IntRange(0, 60).Draw(t, "members") {
			m, spare := member(n, 5), rapid.IntRange(0, 1).Draw(t, "spare")
			alone[spare].Members = append(alone[spare].Members, m)
			if spare == 1 {
				m.State = zones.Fallback
			}
			all.Members = append(all.Members, m)
		}
		want := map[string]int8{}
		for _, r := range alone {
			for i, q := range partition(r, &zones.Pool{}) {
				want[r.Members[i].Name] = q
			}
		}
		for i, q := range partition(all, &zones.Pool{}) {
			if name := all.Members[i].Name; q != want[name] {
				t.Fatalf("%s is in quarter %d, alone with its like in %d", name, q, want[name])
			}
		}
	})
}

// TestQuarters walks through histories of joins and leaves.
func TestQuarters(t *testing.T) {
	moves, steps, most := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pool := &zones.Pool{}
		sites := rapid.SampledFrom([]int{1, 2, 5, 20, 60, 400}).Draw(t, "sites")
		size := rapid.SampledFrom([]int{0, 3, 9, 40, 200, 2000}).Draw(t, "members")
		r := &zones.Registry{}
		next := int(rapid.Uint32().Draw(t, "first"))
		for range size {
			r.Members = append(r.Members, member(next, sites))
			next++
		}
		before := map[string]int8{}
		for i := range 12 {
			quarters := partition(r, pool)
			evenly(t, r, quarters)
			moved := 0
			for m, q := range quarters {
				if old, ok := before[r.Members[m].Name]; ok && old != q {
					moved++
				}
			}
			if moved > 12 {
				t.Fatalf("%d members in %d sites: %d others moved", len(r.Members), sites, moved)
			}
			if i > 0 {
				moves, steps, most = moves+moved, steps+1, max(most, moved)
			}
			clear(before)
			for m, q := range quarters {
				before[r.Members[m].Name] = q
			}
			if leave := rapid.IntRange(0, len(r.Members)).Draw(t, "leave"); leave < len(r.Members) && rapid.Bool().Draw(t, "leaves") {
				r.Members = slices.Delete(slices.Clone(r.Members), leave, leave+1)
			} else {
				r.Members = slices.Insert(slices.Clone(r.Members), leave, member(next, sites))
				next++
			}
		}
	})
	mean := float64(moves) / float64(steps)
	t.Logf("%.2f others moved on average, %d at most, over %d joins and leaves", mean, most, steps)
	if mean > 5 {
		t.Errorf("%.2f others moved on average", mean)
	}
}

// TestQuartersHistory: the order of the list does not matter, and neither do
// members that are not active.
func TestQuartersHistory(t *testing.T) {
	r := &zones.Registry{}
	for i := range 300 {
		r.Members = append(r.Members, member(i, 7))
	}
	pool := &zones.Pool{}
	quarters := partition(r, pool)
	back := &zones.Registry{Members: slices.Clone(r.Members)}
	slices.Reverse(back.Members)
	for i := range 40 {
		m := member(1000+i, 7)
		m.State = zones.Drain
		back.Members = append(back.Members, m)
	}
	again := partition(back, pool)
	for i := range quarters {
		if again[len(quarters)-1-i] != quarters[i] {
			t.Fatalf("%s moved from %d to %d", r.Members[i].Name, quarters[i], again[len(quarters)-1-i])
		}
	}
	if again[len(again)-1] != -1 {
		t.Error("a drained member has a quarter")
	}
}

// TestSettle compares with every assignment there is.
func TestSettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		guests := make([]guest, rapid.IntRange(1, 7).Draw(t, "guests"))
		for i := range guests {
			guests[i] = newGuest(fmt.Sprint(rapid.Uint64().Draw(t, "name")), 1)
		}
		least, most := len(guests)/4, (len(guests)+3)/4
		total := func() (c int64, ok bool) {
			var count [4]int
			for i := range guests {
				for q := range count {
					if guests[i].in == 1<<q {
						c, count[q] = c+guests[i].cost[q], count[q]+1
					}
				}
			}
			return c, slices.Min(count[:]) >= least && slices.Max(count[:]) <= most
		}
		settle(guests, [4]int{least, least, least, least}, [4]int{most, most, most, most})
		got, ok := total()
		if !ok {
			t.Fatal("sizes are not within bounds")
		}
		for code := range 1 << (2 * len(guests)) {
			for i := range guests {
				guests[i].in = 1 << (code >> (2 * i) & 3)
			}
			if c, ok := total(); ok && c < got {
				t.Fatalf("cost %d, there is one of %d", got, c)
			}
		}
	})
}
