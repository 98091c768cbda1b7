package resolver

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/timepool/timepool/zones"
)

// partition splits the active members of a pool into the quarters behind the
// names 0 to 3. It is a pure function of the member list: neither scores nor
// history count, so a flapping score moves nobody.
//
// Fallback members are split the same way, on their own.
//
// Each site's members are spread over the quarters to within one, and so is the
// whole. Of all such partitions it is the one that suits the members best, by a
// hash of member and quarter. A best assignment is what makes it stable: one
// member more or less changes it along a single path, which touches a quarter at
// most once. So a join moves at most 3 others of its own site, makes at most 3
// other sites pass one on, and each of those moves at most 3: 12 in all.
// Handing out in some order, each member to the emptiest quarter, would move
// everybody behind the newcomer.
//
// First the sites: what is left of each when it is divided by four goes to
// quarters of its own choice. Then, in every site, the members.
func partition(r *zones.Registry, p *zones.Pool) []int8 {
	quarters := slices.Repeat([]int8{-1}, len(r.Members))
	split(r, p, zones.Active, quarters)
	split(r, p, zones.Fallback, quarters)
	return quarters
}

// split is partition of the members in that state.
func split(r *zones.Registry, p *zones.Pool, state zones.State, quarters []int8) {
	sites := map[string][]int{}
	var names []string
	for i := range r.Members {
		m := &r.Members[i]
		if m.State != state || m.Netspeed <= 0 || !p.Has(m) {
			continue
		}
		if sites[m.Site] == nil {
			names = append(names, m.Site)
		}
		sites[m.Site] = append(sites[m.Site], i)
	}
	slices.Sort(names)
	rests := make([]guest, len(names))
	sum := 0
	for i, name := range names {
		rests[i] = newGuest("site "+name, len(sites[name])%4)
		sum += len(sites[name]) % 4
	}
	least, most := sum/4, (sum+3)/4
	settle(rests, [4]int{least, least, least, least}, [4]int{most, most, most, most})
	for i, name := range names {
		rests[i].seat(r, sites[name], quarters)
	}
}

// seat settles the members of one site, whose rest is g.
func (g *guest) seat(r *zones.Registry, members []int, quarters []int8) {
	slices.SortFunc(members, func(a, b int) int { return cmp.Compare(r.Members[a].Name, r.Members[b].Name) })
	guests := make([]guest, len(members))
	for i, m := range members {
		guests[i] = newGuest("member "+r.Members[m].Name, 1)
	}
	var seats [4]int
	for q := range seats {
		seats[q] = len(members)/4 + int(g.in>>q&1)
	}
	settle(guests, seats, seats)
	for i, m := range members {
		for q := range seats {
			if guests[i].in == 1<<q {
				quarters[m] = int8(q)
			}
		}
	}
}

// guest is what settle gives quarters to: a member, or the rest of a site,
// which takes one to three of them.
type guest struct {
	cost [4]int64 // of each quarter, below 2⁴⁰
	in   uint8    // bit q: is in quarter q
}

// newGuest returns a guest in the n quarters it likes best.
func newGuest(name string, n int) (g guest) {
	order := [4]int{0, 1, 2, 3}
	for q := range g.cost {
		g.cost[q] = int64(hash(strconv.Itoa(q)+" "+name) >> 24)
	}
	slices.SortFunc(order[:], func(a, b int) int { return cmp.Compare(g.cost[a], g.cost[b]) })
	for _, q := range order[:n] {
		g.in |= 1 << q
	}
	return g
}

// settle moves guests, who stand where they like best, until every quarter has
// from least to most of them, at the least total cost: minimum-cost flow by
// successive shortest paths over four nodes.
func settle(guests []guest, least, most [4]int) {
	const never = int64(1) << 50 // more than all paths together
	var count [4]int
	for i := range guests {
		for q := range count {
			count[q] += int(guests[i].in >> q & 1)
		}
	}
	// price is what the n-th guest of a quarter costs beside its own wish.
	price := func(q, n int) int64 {
		switch {
		case n <= least[q]:
			return -never
		case n <= most[q]:
			return 0
		}
		return never
	}
	for {
		p := shortest(guests)
		from, to, gain := 0, 0, int64(0)
		for a := range count {
			for b := range count {
				if a == b || p.next[a][b] < 0 || count[a] == 0 {
					continue
				}
				if c := p.cost[a][b] + price(b, count[b]+1) - price(a, count[a]); c < gain {
					from, to, gain = a, b, c
				}
			}
		}
		if gain == 0 {
			return
		}
		count[from]--
		count[to]++
		for from != to {
			step := p.next[from][to]
			guests[p.guest[from][step]].in ^= 1<<from | 1<<step
			from = step
		}
	}
}

// paths are the cheapest ways to move one guest from quarter to quarter, maybe
// by making room in others on the way.
type paths struct {
	cost  [4][4]int64
	next  [4][4]int // the first quarter on the way; −1: no way
	guest [4][4]int // who moves when it is one step
}

func shortest(guests []guest) *paths {
	const far = int64(1) << 60
	var p paths
	for a := range p.cost {
		for b := range p.cost {
			p.cost[a][b], p.next[a][b] = far, -1
		}
	}
	for i := range guests {
		g := &guests[i]
		for a := range p.cost {
			for b := range p.cost {
				if g.in>>a&1 == 1 && g.in>>b&1 == 0 && g.cost[b]-g.cost[a] < p.cost[a][b] {
					p.cost[a][b], p.next[a][b], p.guest[a][b] = g.cost[b]-g.cost[a], b, i
				}
			}
		}
	}
	for via := range p.cost {
		for a := range p.cost {
			for b := range p.cost {
				if a == b || p.next[a][via] < 0 || p.next[via][b] < 0 {
					continue
				}
				if c := p.cost[a][via] + p.cost[via][b]; c < p.cost[a][b] {
					p.cost[a][b], p.next[a][b] = c, p.next[a][via]
				}
			}
		}
	}
	return &p
}
