package resolver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/timepool/timepool/zones"
)

// TestTurns asks one query between any two of 10,000 builds, with members that
// flap: the shares come out all the same.
func TestTurns(t *testing.T) {
	r := twelve()
	r.Pools[0].Answers = 2
	a := zones.NewAtlas(r, nil)
	rnd := rand.New(rand.NewPCG(1, 2))
	scores := allIn(r, zones.In)
	var s *Snapshot
	var turns *Turns
	built := map[string]*Snapshot{} // Build is pure, so once for each kind of weather will do
	count, fair := map[string]float64{}, map[string]float64{}
	const builds = 10000
	for range builds {
		// Two of each site never flap, the third is in half the time.
		for i := 2; i < len(r.Members); i += 3 {
			for _, addr := range r.Members[i].Addresses[:1] {
				scores[addr] = zones.Score{Standing: zones.Standing(rnd.IntN(2) * 2)}
			}
		}
		weather := fmt.Sprint(scores)
		if built[weather] == nil || rnd.IntN(50) == 0 {
			next, err := Build(r, a, scores, Options{Previous: s})
			if err != nil {
				t.Fatal(err)
			}
			built[weather] = next
		}
		s = built[weather]
		turns = newTurns(s, turns, 1)
		_, number := s.deckFor(s.names[ownerOf("pool.example")], 0, 0) // nobody knows where: one ring of all
		in := 0.0
		for _, m := range r.Members {
			if scores[m.Addresses[0]].Standing == zones.In {
				in++
			}
		}
		for _, m := range r.Members {
			if scores[m.Addresses[0]].Standing == zones.In {
				fair[m.Name] += 2 / in
			}
		}
		for _, m := range ask(t, s, "pool.example", 0, nowhere, turns.next(number)) {
			count[m]++
		}
	}
	worst := 0.0
	for m, want := range fair {
		worst = max(worst, math.Abs(count[m]-want))
		if math.Abs(count[m]-want) > 4*math.Sqrt(want) {
			t.Errorf("%s: %.0f answers, fair is %.0f", m, count[m], want)
		}
	}
	t.Logf("worst: %.1f answers from fair after %d builds", worst, builds)
}

// TestTurnsSame: builds that change nothing leave no trace.
func TestTurnsSame(t *testing.T) {
	r := twelve()
	a := zones.NewAtlas(r, nil)
	scores := allIn(r, zones.In)
	var s *Snapshot
	var turns *Turns
	count := map[string]int{}
	const builds = 300
	for i := range builds {
		o := Options{}
		if i%3 > 0 {
			o.Previous = s
		}
		next, err := Build(r, a, scores, o)
		if err != nil {
			t.Fatal(err)
		}
		s, turns = next, newTurns(next, turns, 9)
		_, number := s.deckFor(s.names[ownerOf("pool.example")], 0, 0)
		for _, m := range ask(t, s, "pool.example", 0, nowhere, turns.next(number)) {
			count[m]++
		}
	}
	for m, n := range count {
		if n != builds*4/12 {
			t.Errorf("%s: %d answers of %d", m, n, builds*4/12)
		}
	}
}

// TestTurnsShared: a loop that holds the turns of before counts on with the
// ones of now, and a deck that was gone goes on where it was.
func TestTurnsShared(t *testing.T) {
	r := twelve()
	scores := allIn(r, zones.In)
	full, none := build(t, r, scores, Options{}), build(t, r, nil, Options{})
	old := newTurns(full, nil, 1)
	start := old.next(0)
	same := newTurns(full, old, 1)
	if old.next(0) != start+1 || same.next(0) != start+2 || old.next(0) != start+3 {
		t.Error("a turn was lost")
	}
	back := newTurns(full, newTurns(none, same, 1), 1)
	if got := back.next(0); got != start+4 {
		t.Errorf("a deck that came back is at %d, was at %d", got-start, 4)
	}
	if other := newTurns(full, nil, 2); other.next(0) == start {
		t.Error("two loops are in step")
	}
	seen := map[uint64]bool{}
	for _, d := range full.allDecks() {
		seen[d.id] = true
	}
	if len(seen) != full.stats.Decks {
		t.Errorf("%d ids for %d decks", len(seen), full.stats.Decks)
	}
}

// TestTurnsForget: the memory of decks that are gone is bounded.
func TestTurnsForget(t *testing.T) {
	var turns *Turns
	r := twelve()
	for i := range 40 {
		for p := range r.Pools {
			r.Pools[p].Name = string(rune('a' + i))
		}
		s := build(t, r, allIn(r, zones.In), Options{})
		turns = newTurns(s, turns, 1)
		if len(turns.known) > 2*s.stats.Decks+1024 {
			t.Fatalf("%d counters for %d decks", len(turns.known), s.stats.Decks)
		}
	}
}
