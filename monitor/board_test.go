package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/timepool/timepool/zones"
)

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }

// pool is a registry of n hosts, one address each.
func pool(n int) *zones.Registry {
	reg := &zones.Registry{Zone: zones.Zone{Profile: "ntppool"}}
	for i := range n {
		reg.Members = append(reg.Members, zones.Member{Name: fmt.Sprint("ntp", i), Addresses: []netip.Addr{addr(i)}, Netspeed: 1000})
	}
	return reg
}

// at makes a sample that of address i, taken now.
func at(i int, s Sample) Sample {
	s.Addr, s.Time = addr(i), time.Now()
	return s
}

func newBoard(reg *zones.Registry, rows ...Row) *Board {
	b := NewBoard(BoardOptions{
		Vantage: "fra", Rows: rows,
		Own: func(a netip.Addr) bool { return a == addr(99) },
	})
	b.Watch(reg)
	b.said()
	return b
}

// said reports whether Changed was signalled since it was last asked.
func (b *Board) said() bool {
	select {
	case <-b.Changed():
		return true
	default:
		return false
	}
}

// round records the sample for each of the first n addresses, an interval long.
func (b *Board) round(n int, s Sample) {
	for i := range n {
		time.Sleep(64 * time.Second / time.Duration(n))
		b.Record(at(i, s))
	}
}

func (b *Board) standings(n int) string {
	var w []string
	scores := b.Scores()
	for i := range n {
		w = append(w, standingWords[scores[addr(i)].Standing])
	}
	return strings.Join(w, " ")
}

func wantStandings(t *testing.T, b *Board, want string) {
	t.Helper()
	if got := b.standings(strings.Count(want, " ") + 1); got != want {
		t.Errorf("standings %q, want %q", got, want)
	}
}

// running runs the Board until the test's end.
func running(t *testing.T, b *Board) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestBoardBoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(3))
		running(t, b)
		if b.Trusted() || b.Status().Booting {
			t.Error("a board that knows nothing is trusted, or boots")
		}
		b.Record(at(0, good()))
		b.Record(at(1, off(-time.Second)))
		if !b.said() {
			t.Error("a first good check was not told")
		}
		wantStandings(t, b, "in out out")
		if s := b.Status(); !s.Booting || s.Frozen || b.Trusted() {
			t.Errorf("%+v, trusted %v", s, b.Trusted())
		}
		b.Record(at(2, off(99*time.Millisecond)))
		if !b.Trusted() {
			t.Error("not trusted after the first round")
		}
		wantStandings(t, b, "in out in")
		b.said()

		time.Sleep(15*time.Minute + time.Second + time.Millisecond) // nobody reached 10
		if !b.said() {
			t.Error("the end of the early minutes was not told")
		}
		wantStandings(t, b, "out out out")

		for range 14 {
			b.Record(at(0, good()))
		}
		wantStandings(t, b, "in out out")
		if b.Status().Booting {
			t.Error("boots after one reached 10")
		}
	})
}

// The first member at 10 ends the start for those that come later. Those that
// were let in early stay until they reach 10 themselves, or have a check that
// is not good.
func TestBoardEarnedEndsBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(4))
		b.Record(at(1, good()))
		b.Record(at(2, good()))
		for range 13 {
			b.Record(at(0, good()))
		}
		wantStandings(t, b, "in in in out")
		since := b.Scores()[addr(0)].Since
		time.Sleep(time.Second)
		b.Record(at(0, good()))
		b.Record(at(3, good()))
		wantStandings(t, b, "in in in out")
		b.Watch(pool(4)) // an edit changes nothing in that
		wantStandings(t, b, "in in in out")
		if got := b.Scores()[addr(0)]; !got.Since.Equal(since) || got.Value < 10 {
			t.Errorf("since %v, want %v, value %v", got.Since, since, got.Value)
		}
		b.Record(at(1, off(time.Second)))
		for range 13 {
			b.Record(at(2, good()))
		}
		wantStandings(t, b, "in out in out")
		if b.Status().Booting {
			t.Error("boots though all that came early are settled")
		}
	})
}

func TestBoardAgesRowsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(3))
		running(t, b)
		for range 14 {
			b.round(3, good())
		}
		b.said()
		time.Sleep(time.Hour)
		b.Record(at(1, unmeasured())) // our fault: it gets no older
		b.Record(at(2, good()))
		time.Sleep(time.Hour + time.Second)
		wantStandings(t, b, "out in in")
		if !b.said() {
			t.Error("a row that grew too old was not told")
		}
		if w := b.Scores()[addr(0)].Why; !strings.Contains(w, "too old") {
			t.Error(w)
		}
	})
}

func TestBoardFreezesWhenAllAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []Row
		b := NewBoard(BoardOptions{Vantage: "fra", Own: func(netip.Addr) bool { return false }, Keep: func(r Row) { kept = append(kept, r) }})
		b.Watch(pool(4))
		running(t, b)
		for range 40 {
			b.round(4, good())
		}
		before := b.Scores()[addr(0)].Value
		b.said()
		kept = nil
		b.round(3, mute())
		if b.Status().Frozen {
			t.Error("frozen while one still answers")
		}
		b.round(4, mute())
		if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "silent") || !b.said() {
			t.Errorf("not frozen: %+v", s)
		}
		if got := b.Scores()[addr(0)].Value; got != before {
			t.Errorf("score %v, want %v as before the silence", got, before)
		}
		r, _ := b.Last(addr(0))
		if !r.Frozen || r.Outcome != Silent || r.Missed != 0 {
			t.Errorf("%+v", r)
		}
		last := map[netip.Addr]Row{}
		for _, k := range kept {
			last[k.Addr] = k
		}
		if last[addr(0)] != r {
			t.Errorf("what was taken back was not kept: %+v", last[addr(0)])
		}

		for range 200 { // three hours and more: nothing grows old
			b.round(4, mute())
		}
		wantStandings(t, b, "in in in in")
		b.Record(at(2, good()))
		if s := b.Status(); s.Frozen {
			t.Errorf("not thawed: %+v", s)
		}
		for range 3 { // the third is a second look: most fell silent together
			b.round(2, mute())
			b.Record(at(2, good()))
			b.Record(at(3, mute()))
		}
		wantStandings(t, b, "resort resort in resort")
	})
}

// Of two the one that is silent waits for what the other has to say.
func TestBoardOfTwoFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(2))
		for range 14 {
			b.round(2, good())
		}
		time.Sleep(time.Second)
		b.Record(at(0, mute()))
		wantStandings(t, b, "in in")
		b.Record(at(1, mute()))
		if wantStandings(t, b, "in in"); !b.Status().Frozen {
			t.Error("not frozen")
		}
		b.round(2, good())
		time.Sleep(time.Second)
		b.Record(at(0, mute()))
		b.Record(at(0, mute()))
		wantStandings(t, b, "in in")
		time.Sleep(time.Second)
		b.Record(at(1, good()))
		wantStandings(t, b, "resort in")
	})
}

func TestBoardFrozenWhileItBoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(2))
		running(t, b)
		b.round(2, good())
		for range 30 { // half an hour
			b.round(2, mute())
		}
		wantStandings(t, b, "in in")
		b.round(2, good())
		wantStandings(t, b, "in in")
		for range 14 {
			b.round(1, off(99*time.Millisecond))
			b.Record(at(1, mute()))
		}
		wantStandings(t, b, "out out")
	})
}

func TestBoardOfOneFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(1)
		v6 := netip.MustParseAddr("2001:db8::1")
		reg.Members[0].Addresses = append(reg.Members[0].Addresses, v6)
		b := newBoard(reg)
		both := func(s Sample) {
			b.Record(at(0, s))
			s.Addr = v6
			b.Record(s)
		}
		for range 117 {
			both(good())
		}
		both(mute())
		both(mute())
		wantStandings(t, b, "resort")
		if s := b.Status(); s.Frozen {
			t.Errorf("%+v", s)
		}
		both(off(time.Second))
		wantStandings(t, b, "out")
	})
}

func TestBoardDoubtsItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(5))
		running(t, b)
		for range 40 {
			b.round(5, good())
		}
		before := b.Scores()
		for range 3 { // our clock steps; the members are checked in turn
			b.round(5, off(5*time.Second))
		}
		if s := b.Status(); !s.Frozen || !strings.Contains(s.Warning, "5 of 5") || !strings.Contains(s.Warning, "behind") {
			t.Errorf("%+v", s)
		}
		for a, s := range b.Scores() {
			if s.Standing != zones.In || s.Value != before[a].Value {
				t.Errorf("%v: %+v, want %v", a, s, before[a].Value)
			}
		}
		b.round(5, good())
		if s := b.Status(); s.Frozen || s.Warning != "" {
			t.Errorf("not thawed: %+v", s)
		}
	})
}

func TestBoardThawsWhenTheEvidenceIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(3))
		running(t, b)
		for i := range 3 {
			b.Record(at(i, off(-time.Second)))
		}
		if !b.Status().Frozen {
			t.Fatal("not frozen")
		}
		b.said()
		time.Sleep(3*64*time.Second + 2*time.Second)
		if s := b.Status(); s.Frozen || !b.said() {
			t.Errorf("frozen by checks that are older than three intervals: %+v", s)
		}
	})
}

func TestBoardWithFewVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(2))
		b.Record(at(0, off(time.Second)))
		if w := b.Status().Warning; w != "" {
			t.Errorf("warned before the first round is over: %q", w)
		}
		b.Record(at(1, off(time.Second)))
		if s := b.Status(); s.Frozen || !strings.Contains(s.Warning, "only 2 of the 3") {
			t.Errorf("%+v", s)
		}
		wantStandings(t, b, "out out")
	})
}

func TestBoardRestores(t *testing.T) {
	up := times(117, good())
	old := func(age time.Duration, i int, samples []Sample) Row {
		for n := range samples {
			samples[n].Addr, samples[n].Vantage, samples[n].Time = addr(i), "fra", time.Now().Add(-age)
		}
		return follow(samples...)
	}
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(-time.Minute)
		b := newBoard(pool(4), old(time.Minute, 0, up), old(time.Minute, 1, then(up, times(2, mute()))),
			old(-time.Hour, 2, up), old(time.Minute, 7, up))
		if !b.Trusted() {
			t.Error("a young state that covers three of four is not trusted")
		}
		wantStandings(t, b, "in resort in out")
		if s := b.Scores()[addr(0)]; !s.Since.Equal(since) {
			t.Errorf("since %v, want %v", s.Since, since)
		}
		if n := len(b.Rows()); n != 4 || len(b.Scores()) != 4 {
			t.Errorf("%d rows", n)
		}
		if b.Status().Booting || b.Status().Warning != "" {
			t.Errorf("%+v", b.Status())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(2), old(2*time.Hour+time.Second, 0, up), old(2*time.Hour+time.Second, 1, up))
		if b.Trusted() {
			t.Error("an old state is trusted")
		}
		wantStandings(t, b, "out out")
		b.Record(at(0, good()))
		b.Record(at(1, mute()))
		if !b.Trusted() {
			t.Error("not trusted after the first round")
		}
		wantStandings(t, b, "in in")
	})
	synctest.Test(t, func(t *testing.T) { // the wall clock was ahead when the row was kept
		b := newBoard(pool(4), old(-time.Hour, 2, up))
		running(t, b)
		if b.Trusted() {
			t.Error("a state that covers one of four is trusted")
		}
		time.Sleep(2*time.Hour + 2*time.Second)
		wantStandings(t, b, "out out out out")
	})
	synctest.Test(t, func(t *testing.T) { // restarted while it booted
		b := newBoard(pool(2), old(10*time.Minute, 0, times(3, good())))
		running(t, b)
		wantStandings(t, b, "in out")
		time.Sleep(5*time.Minute + 2*time.Second)
		wantStandings(t, b, "out out")
	})
}

func TestBoardWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(3)
		b := newBoard(reg)
		for range 14 {
			b.round(3, good())
		}
		since := b.Scores()[addr(1)].Since
		less := pool(3)
		less.Members[0].State = zones.Off
		less.Members[1].State = zones.Drain
		b.Watch(less)
		if !b.said() || !b.Trusted() {
			t.Error("a new registry was not told, or lost trust")
		}
		if s := b.Scores(); len(s) != 2 || s[addr(1)].Standing != zones.In || !s[addr(1)].Since.Equal(since) {
			t.Errorf("%+v", s)
		}
		b.Record(at(0, good())) // kept, not judged
		if _, ok := b.Scores()[addr(0)]; ok {
			t.Error("a member that is off is judged")
		}
		for range 2 {
			b.Record(at(2, mute()))
			b.Record(at(1, good()))
		}
		b.Watch(reg)
		wantStandings(t, b, "in in resort")
	})
}

func TestBoardIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(3))
		running(t, b)
		for range 20 {
			b.round(3, good())
		}
		time.Sleep(2 * time.Second)
		b.said()
		for range 20 {
			b.round(3, good())
			if b.said() {
				t.Fatal("a change was told where none was")
			}
		}
	})
}

func TestBoardConcurrently(t *testing.T) {
	b := newBoard(pool(16))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.Run(ctx) })
	for i := range 16 {
		wg.Go(func() {
			for range 50 {
				b.Record(at(i, good()))
				b.Scores()
				b.Status()
				b.Last(addr(i))
			}
		})
	}
	for range 20 {
		b.Watch(pool(16))
		b.Rows()
	}
	for len(b.Rows()) < 16 || b.Rows()[15].Checks < 50 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	for _, r := range b.Rows() {
		if r.Checks != 50 {
			t.Errorf("%v: %d checks", r.Addr, r.Checks)
		}
	}
}
