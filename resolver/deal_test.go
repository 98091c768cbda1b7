package resolver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// dealt is one deck of hosts with these weights, and what fair is.
type dealt struct {
	*deck
	rings   [][]int // hosts by number
	records []int   // by record: its host
	count   []int   // by host
}

// deckOf deals one deck as Build does. weights and addresses are by ring.
func deckOf(seed uint64, answers int, weights [][]int, addresses func(host int) int) *dealt {
	s := &suit{id: 7, terms: terms{answers: answers, seed: seed}}
	d := &dealer{suit: s, steps: map[uint32]uint64{}}
	made := &dealt{}
	for _, ring := range weights {
		var members []int
		for _, w := range ring {
			n := len(made.count)
			h := host{rank: mix(seed ^ uint64(n)), weight: uint64(w) * share, first: uint32(len(made.records)), count: uint16(addresses(n))}
			for range h.count {
				made.records = append(made.records, n)
				s.records = append(s.records, fmt.Appendf(nil, "%016d", n)...)
			}
			d.hosts, members, made.count = append(d.hosts, h), append(members, n), append(made.count, 0)
		}
		d.ends, made.rings = append(d.ends, len(d.hosts)), append(made.rings, members)
	}
	deck := d.cut(1)
	made.deck = &deck
	return made
}

func single(int) int { return 1 }

// hand plays one query and returns the hosts in it.
func (d *dealt) hand(t uint64, buf []byte) []int {
	out, n := d.deck.deal(buf[:0], t)
	hosts := make([]int, n)
	for i := range hosts {
		for _, c := range out[i*16 : i*16+16] {
			hosts[i] = hosts[i]*10 + int(c-'0')
		}
	}
	return hosts
}

// shares returns what each host of a ring is due in one query: in proportion to
// its weight, but one record at most.
func shares(weights []int, slots int) []float64 {
	due := make([]float64, len(weights))
	for range weights {
		left, total := float64(slots), 0.0
		for i, w := range weights {
			if due[i] == 1 {
				left--
			} else {
				total += float64(w)
			}
		}
		for i, w := range weights {
			if due[i] < 1 {
				due[i] = min(1, float64(w)*left/total)
			}
		}
	}
	return due
}

// ringSlots is the documented rule, told again: one each, the rest to the
// nearest; more rings than records are merged at the far end.
func ringSlots(weights [][]int, answers int) (rings [][]int, slots []int) {
	hosts := 0
	for _, r := range weights {
		hosts += len(r)
	}
	size := min(answers, hosts)
	for i, r := range weights {
		if i < size {
			rings, slots = append(rings, slices.Clone(r)), append(slots, 1)
		} else {
			rings[size-1] = append(rings[size-1], r...)
		}
	}
	for i, r := range rings {
		for slots[i] < len(r) && sum(slots) < size {
			slots[i]++
		}
	}
	return rings, slots
}

func sum(list []int) (n int) {
	for _, x := range list {
		n += x
	}
	return n
}

var weightKinds = map[string]func(r *rand.Rand) int{
	"alike":     func(*rand.Rand) int { return 1000 },
	"steps":     func(r *rand.Rand) int { return 1000 * (1 + r.IntN(4)) },
	"decades":   func(r *rand.Rand) int { return []int{1000, 10000, 100000}[r.IntN(3)] },
	"huge":      func(r *rand.Rand) int { return 1 + r.IntN(math.MaxInt32) },
	"any":       func(r *rand.Rand) int { return 1 + r.IntN(1000000) },
	"logarithm": func(r *rand.Rand) int { return 1 + int(math.Exp(14*r.Float64())) },
}

// play deals to a deck and returns how far a host strayed from its share, at
// any time and after multiples of the deck's length.
func (d *dealt) play(fair []float64, start, every uint64, queries int) (ever, whole float64) {
	count, buf := make([]int, len(fair)), make([]byte, 0, 1024)
	for q := 1; q <= queries; q++ {
		for _, h := range d.hand(start, buf) {
			count[h]++
		}
		start += every
		end := uint64(q)%uint64(d.length) == 0
		if q > 4000 && q%61 != 0 && q%1597 != 0 && !end {
			continue
		}
		for h, n := range count {
			away := math.Abs(float64(n) - float64(q)*fair[h])
			ever = max(ever, away)
			if end {
				whole = max(whole, away)
			}
		}
	}
	return ever, whole
}

// TestShares deals long runs to random decks.
func TestShares(t *testing.T) {
	for name, bound := range map[string]struct{ ever, whole, skipped float64 }{
		"alike":     {1, 1e-6, 12},
		"steps":     {3, 0.01, 15},
		"decades":   {5, 2, 15},
		"huge":      {5, 2, 15},
		"any":       {5, 2, 15},
		"logarithm": {5, 2, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			var ever, whole, skipped float64
			for range 5 {
				answers := 1 + r.IntN(5)
				weights := make([]int, 1+r.IntN(60))
				for i := range weights {
					weights[i] = weightKinds[name](r)
				}
				d := deckOf(r.Uint64(), answers, [][]int{weights}, single)
				fair := shares(weights, min(answers, len(weights)))
				e, w := d.play(fair, r.Uint64()<<turnBits, 1, 60000)
				s, _ := d.play(fair, r.Uint64()<<turnBits, 2, 20000)
				ever, whole, skipped = max(ever, e), max(whole, w), max(skipped, s)
			}
			t.Logf("worst: %.2f ever, %.2f at multiples of the length, %.2f asking every second time", ever, whole, skipped)
			if ever > bound.ever || whole > bound.whole || skipped > bound.skipped {
				t.Errorf("want at most %v", bound)
			}
		})
	}
}

// TestDeal checks every answer of random decks: no host twice, the rings in
// their order with as many records as the rule says, every record of the deck
// handed out, and counts near fair.
func TestDeal(t *testing.T) {
	kinds := []string{"alike", "steps", "decades", "any"}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		kind := weightKinds[rapid.SampledFrom(kinds).Draw(t, "weights")]
		weights := make([][]int, 1+r.IntN(5))
		for i := range weights {
			weights[i] = make([]int, 1+r.IntN(9))
			for j := range weights[i] {
				weights[i][j] = kind(r)
			}
		}
		answers := rapid.IntRange(1, 16).Draw(t, "answers")
		d := deckOf(r.Uint64(), answers, weights, single)
		rings, slots := ringSlots(weights, answers)
		var fair []float64
		var ringOf []int
		for i, ring := range rings {
			fair = append(fair, shares(ring, slots[i])...)
			ringOf = append(ringOf, slices.Repeat([]int{i}, len(ring))...)
		}
		start, buf := r.Uint64(), []byte(nil)
		for q := range uint64(50) {
			hosts := d.hand(start+q, buf)
			var got []int
			for _, h := range hosts {
				got = append(got, ringOf[h])
			}
			var want []int
			for i, n := range slots {
				want = append(want, slices.Repeat([]int{i}, n)...)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("rings %v, want %v", got, want)
			}
			if slices.Sort(hosts); len(slices.Compact(hosts)) != len(want) {
				t.Fatalf("a host stands twice in %v", hosts)
			}
		}
		if e, _ := d.play(fair, r.Uint64()<<turnBits, 1, 3000); e > 5 {
			t.Fatalf("%.1f from fair", e)
		}
		if n := len(fair); len(d.until) > n+1 || len(d.sets) > (n+1)*sum(slots) {
			t.Fatalf("%d cards and %d records in sets of %d hosts", len(d.until), len(d.sets), n)
		}
	})
}

// TestPositions: within a ring everybody stands at every place equally often in
// proportion to how often it is there at all, chi-square.
func TestPositions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for trial := range 24 {
		kind := []string{"alike", "decades", "any"}[trial%3]
		weights := make([]int, 2+r.IntN(20))
		for i := range weights {
			weights[i] = weightKinds[kind](r)
		}
		answers := 2 + r.IntN(4)
		slots := min(answers, len(weights))
		d := deckOf(r.Uint64(), answers, [][]int{weights}, single)
		fair := shares(weights, slots)
		const queries = 40000
		count, buf := make([][]int, slots), []byte(nil)
		for i := range count {
			count[i] = make([]int, len(weights))
		}
		start := r.Uint64() << turnBits
		for q := range uint64(queries) {
			for i, h := range d.hand(start+q, buf) {
				count[i][h]++
			}
		}
		chi, cells := 0.0, 0
		for _, row := range count {
			for h, n := range row {
				if want := queries * fair[h] / float64(slots); want >= 5 {
					chi, cells = chi+(float64(n)-want)*(float64(n)-want)/want, cells+1
				}
			}
		}
		// Dealt, not drawn: far below the 99.9 % point of chance.
		if limit := float64(cells) + 3.1*math.Sqrt(2*float64(cells)); chi > limit {
			t.Errorf("%s, %d hosts, %d slots: chi-square %.1f over %d cells", kind, len(weights), slots, chi, cells)
		}
	}
}

// TestAddresses: two addresses of a host share its weight and never stand in
// one answer, unless there are fewer hosts than an answer has room for.
func TestAddresses(t *testing.T) {
	two := func(h int) int { return 1 + h%2 }
	d := deckOf(3, 4, [][]int{{1, 1, 1, 1, 1, 9}}, two)
	perRecord := make([]int, len(d.records))
	for q := range uint64(d.length) * 10 {
		set := d.set(uint32((q%uint64(d.length)*d.step + q/uint64(d.length)*d.shift) >> 32))
		hosts := map[int]bool{}
		for _, record := range set {
			perRecord[record]++
			hosts[d.records[record]] = true
		}
		if len(hosts) != 4 {
			t.Fatalf("records %v are of %d hosts", set, len(hosts))
		}
	}
	queries := float64(d.length) * 10
	for record, n := range perRecord {
		want := queries * 3 / 5
		if d.records[record] == 5 {
			want = queries
		}
		want /= float64(two(d.records[record]))
		if math.Abs(float64(n)-want) > 1 {
			t.Errorf("record %d of host %d: %d times, want %.0f", record, d.records[record], n, want)
		}
	}

	few := deckOf(3, 4, [][]int{{1, 1}}, two)
	if hosts := few.hand(0, nil); len(hosts) != 3 {
		t.Errorf("three addresses of two hosts: got %v", hosts)
	}
}

// handmade is a deck that deals these sets of addresses in turn, each one ring.
func handmade(id uint64, ttl uint32, sets ...[]netip.Addr) deck {
	family := 0
	if sets[0][0].Is6() {
		family = 1
	}
	s, first := &suit{terms: terms{family: family, ttl: ttl}}, uint32(0)
	n := uint64(len(sets))
	d := deck{id: id, suit: s, length: uint32(n), rings: 1 | 1<<len(sets[0])}
	if n > 1 {
		d.step = fraction(1, n)
	}
	for i, set := range sets {
		s.records = appendRecords(s.records, ttl, set)
		for range set {
			d.sets, first = append(d.sets, first), first+1
		}
		d.until = append(d.until, uint32(uint64(i+1)<<32/n))
	}
	return d
}

// TestSet: the set is found that going through all arcs finds, however uneven
// they are.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := deck{rings: 1 | 1<<1}
		for end := range rapid.IntRange(1, 300).Draw(t, "cards") {
			last := uint32(0)
			if end > 0 {
				last = d.until[end-1]
			}
			d.until, d.sets = append(d.until, last+rapid.SampledFrom([]uint32{1, 1 << 12, 1 << 23}).Draw(t, "arc")), append(d.sets, uint32(end))
		}
		x := rapid.OneOf(rapid.Uint32(), rapid.SampledFrom(d.until)).Draw(t, "x")
		want := len(d.until) - 1
		for want > 0 && d.until[want-1] > x {
			want--
		}
		if got := d.set(x); len(got) != 1 || got[0] != uint32(want) {
			t.Fatalf("%v at %d: set %v, want %d", d.until, x, got, want)
		}
	})
}

// TestRecords: what deal appends, octet by octet, and that sets keep their order
// but for where they begin.
func TestRecords(t *testing.T) {
	d := handmade(1, 150, []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")}, []netip.Addr{netip.MustParseAddr("fd00::3"), netip.MustParseAddr("fd00::4")})
	seen := map[string]int{}
	for turn := range uint64(400) {
		out, n := d.deal([]byte("before"), turn)
		if n != 2 || string(out[:6]) != "before" || len(out) != 6+2*28 {
			t.Fatalf("%d records in %d octets", n, len(out))
		}
		order := ""
		for rr := out[6:]; len(rr) > 0; rr = rr[28:] {
			if head := fmt.Sprintf("%x", rr[:12]); head != "c00c001c0001000000960010" {
				t.Fatalf("record begins %s", head)
			}
			order += fmt.Sprint(rr[27])
		}
		seen[order]++
	}
	if seen["12"]+seen["21"] != 200 || seen["34"]+seen["43"] != 200 || min(seen["12"], seen["21"], seen["34"], seen["43"]) < 97 {
		t.Errorf("dealt %v, want 100 each", seen)
	}
}

func BenchmarkDeal(b *testing.B) {
	for _, n := range []int{4, 20, 500} {
		for _, kind := range []string{"alike", "any"} {
			r := rand.New(rand.NewPCG(1, 2))
			weights := make([]int, n)
			for i := range weights {
				weights[i] = weightKinds[kind](r)
			}
			d := deckOf(1, 4, [][]int{weights}, single)
			b.Run(fmt.Sprintf("%s/hosts=%d", kind, n), func(b *testing.B) {
				buf := make([]byte, 0, 512)
				b.ReportAllocs()
				for t := uint64(0); b.Loop(); t++ {
					buf, _ = d.deck.deal(buf[:0], t)
				}
			})
		}
	}
}
