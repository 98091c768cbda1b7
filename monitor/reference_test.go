package monitor

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/timepool/timepool/zones"
)

// n − ⌊(n+2)/2⌋ of n references may fail.
func TestReferencesMayFail(t *testing.T) {
	now := time.Now()
	for n, allowed := range map[int]int{0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 7: 3} {
		for failed := range n + 1 {
			var refs []*reference
			for i := range n {
				r := &reference{addr: addr(i)}
				s := off(9 * time.Millisecond)
				if i < failed {
					s = off(-11 * time.Millisecond)
				}
				r.hear(&s, now)
				refs = append(refs, r)
			}
			why, vouch, _ := referencesVote(refs, now, now, time.Minute)
			if (why != "") != (failed > allowed) || vouch != n-failed {
				t.Errorf("%d of %d failed: %q, %d vouch", failed, n, why, vouch)
			}
		}
	}
}

func TestReferenceIsKept(t *testing.T) {
	now := time.Now()
	r := &reference{addr: addr(1)}
	doubt := func(after time.Duration) string {
		why, _, _ := referencesVote([]*reference{r}, now, now.Add(after), time.Minute)
		return why
	}
	if doubt(time.Minute) != "" || doubt(time.Minute+1) == "" {
		t.Error("one that was never heard has a minute")
	}
	for _, s := range []Sample{good(), mute(), unmeasured()} { // what says nothing changes nothing
		r.hear(&s, now)
	}
	if doubt(180*time.Second) != "" || doubt(181*time.Second) != "frozen: 1 of 1 references do not vouch for the clock of this node: 192.0.2.1 is silent" {
		t.Error(doubt(181 * time.Second))
	}
	for _, s := range []Sample{off(2 * time.Second), atStratum(16), kiss("RATE"), func() Sample { s := good(); s.Leap = 3; return s }()} {
		if r.hear(&s, now); doubt(0) == "" {
			t.Errorf("vouched by %+v", s)
		}
	}
}

// refs makes a Board of n members with two references beside them.
func withReferences(n int) *Board {
	b := NewBoard(BoardOptions{Vantage: "fra", Own: func(netip.Addr) bool { return false }, References: []netip.Addr{addr(101), addr(102)}})
	b.Watch(pool(n))
	b.said()
	return b
}

func TestBoardBelievesItsReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withReferences(3)
		running(t, b)
		refs := func(s Sample) { b.Record(at(101, s)); b.Record(at(102, s)) }
		for range 150 {
			refs(good())
			b.round(3, good())
		}
		if s := b.Status(); s.Frozen || s.Warning != "" {
			t.Fatalf("%+v", s)
		}
		// The members are wrong together, and the references know it.
		refs(good())
		for range 4 {
			b.round(3, off(time.Second))
			refs(good())
		}
		wantStandings(t, b, "out out out")

		b = withReferences(3)
		running(t, b)
		for range 150 {
			refs(good())
			b.round(3, good())
		}
		// The clock of this node is wrong.
		for range 5 {
			b.round(3, off(5*time.Second))
			refs(off(5 * time.Second))
		}
		wantStandings(t, b, "in in in")
		if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "2 of 2 references") || !strings.Contains(s.Warning, "192.0.2.101 is at +5 s") {
			t.Errorf("%+v", s)
		}
		refs(good())
		if s := b.Status(); s.Frozen {
			t.Errorf("not thawed: %+v", s)
		}
		// All members silent and the references not: they are, and not the network.
		for range 4 {
			b.round(3, mute())
			refs(good())
		}
		wantStandings(t, b, "resort resort resort")
		// Without a word of the references nothing is scored.
		for range 5 {
			b.round(3, good())
			refs(mute())
		}
		if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "192.0.2.102 is silent") {
			t.Errorf("%+v", s)
		}
	})
}

// A node whose clock is set, or that slept, scores nobody until members have
// vouched for what it is now; also when they are too few for a vote.
func TestBoardSeesItsClockStepped(t *testing.T) {
	for _, members := range []int{2, 5} {
		synctest.Test(t, func(t *testing.T) {
			var wrong atomic.Int64 // nanoseconds
			b := NewBoard(BoardOptions{Vantage: "fra", Own: func(netip.Addr) bool { return false },
				Wall: func() time.Time { return time.Now().Round(0).Add(time.Duration(wrong.Load())) }})
			b.Watch(pool(members))
			running(t, b)
			for range 150 {
				b.round(members, good())
			}
			before := b.Scores()
			wrong.Store(int64(-5 * time.Second))
			b.round(members, off(5*time.Second))
			b.round(members, off(5*time.Second))
			if s := b.Status(); !s.Frozen {
				t.Errorf("not frozen: %+v", s)
			}
			wrong.Store(0) // and back
			time.Sleep(2 * time.Second)
			if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "stepped by +5 s") {
				t.Errorf("%+v", s)
			}
			for range 3 {
				b.round(members, good())
			}
			time.Sleep(30 * time.Second)
			for range 2 {
				b.round(members, good())
			}
			if s := b.Status(); s.Frozen {
				t.Errorf("not thawed: %+v", s)
			}
			for a, s := range b.Scores() {
				if s.Standing != zones.In || s.Value < before[a].Value {
					t.Errorf("%v: %+v, was %v", a, s, before[a].Value)
				}
			}
		})
	}
}

// A reference on this host always answers, and says nothing of the network.
func TestOwnReferenceIsNoNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loopback := netip.MustParseAddr("127.0.0.1")
		b := NewBoard(BoardOptions{Vantage: "fra", Own: netip.Addr.IsLoopback, References: []netip.Addr{loopback}})
		b.Watch(pool(3))
		all := func(s Sample) {
			own := at(0, good())
			own.Addr = loopback
			b.Record(own)
			b.round(3, s)
		}
		for range 40 {
			all(good())
		}
		for range 3 {
			all(mute())
		}
		if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "every member is silent") {
			t.Errorf("%+v", s)
		}
		wantStandings(t, b, "in in in")
	})
}
