package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

const ms = time.Millisecond

func testimony(name string, offset, distance time.Duration) voter {
	s := Sample{Offset: offset, RootDistance: distance, Stratum: 1}
	return voter{host: host{Member: &zones.Member{Name: name}}, best: &s, at: testEpoch}
}

func TestFalsetickers(t *testing.T) {
	for _, c := range []struct {
		name  string
		ws    []voter
		agree int
		liars []string
	}{
		{"nobody", nil, 0, nil},
		{"one", []voter{testimony("a", 0, ms)}, 1, nil},
		{"two that disagree", []voter{testimony("a", 0, ms), testimony("b", time.Second, ms)}, 1, nil},
		{"two of three", []voter{testimony("a", 0, ms), testimony("b", time.Second, ms), testimony("c", ms, ms)}, 2, nil},
		{"three of four", []voter{testimony("a", 0, ms), testimony("b", time.Second, ms), testimony("c", ms, ms), testimony("d", -ms, 2*ms)}, 3, []string{"b"}},
		{"our own clock is off", []voter{testimony("a", time.Hour, ms), testimony("b", 0, ms), testimony("c", time.Hour+ms, ms), testimony("d", time.Hour, ms)}, 3, []string{"b"}},
		{"far, but it says so", []voter{testimony("a", 0, ms), testimony("b", 90*ms, 100*ms), testimony("c", ms, ms), testimony("d", 0, ms)}, 4, nil},
		{"half against half", []voter{testimony("a", 0, ms), testimony("b", 0, ms), testimony("c", 0, ms), testimony("d", time.Second, ms), testimony("e", time.Second, ms), testimony("f", time.Second, ms)}, 3, nil},
		{"touching", []voter{testimony("a", 0, ms), testimony("b", 2*ms, ms), testimony("c", ms, ms)}, 3, nil},
	} {
		got := weigh(c.ws, map[uint32]int{1: 0, 2: 1}, testEpoch, false)
		if got.Agree != c.agree || !slices.Equal(got.Falsetickers, c.liars) || got.Witnesses != len(c.ws) {
			t.Errorf("%s: %+v, want %d and %v", c.name, got, c.agree, c.liars)
		}
	}
}

// As many agree as any moment has, and nobody who holds that moment possible is
// called a falseticker.
func TestIntersectionIsTheDeepest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ws []voter
		for i := range rapid.IntRange(1, 12).Draw(t, "hosts") {
			ws = append(ws, testimony(fmt.Sprint(i), time.Duration(rapid.IntRange(-9, 9).Draw(t, "offset"))*ms, time.Duration(rapid.IntRange(0, 5).Draw(t, "distance"))*ms))
		}
		holds := func(at time.Duration) (names []string) {
			for _, w := range ws {
				if low, high := w.interval(testEpoch); low <= at && at <= high {
					names = append(names, w.Name)
				}
			}
			return names
		}
		got, deepest := weigh(ws, nil, testEpoch, false), 0
		for at := -15 * ms; at <= 15*ms; at += ms {
			deepest = max(deepest, len(holds(at)))
		}
		honest := holds((got.Low + got.High) / 2)
		if got.Agree != deepest || len(honest) != deepest {
			t.Fatalf("%+v: %d agree there, %d at best", got, len(honest), deepest)
		}
		for _, name := range got.Falsetickers {
			if slices.Contains(honest, name) {
				t.Fatalf("%+v: %s agrees", got, name)
			}
		}
	})
}

func TestDiversityAndLeaps(t *testing.T) {
	upstream := func(name string, refid uint32) voter { // 1 names the first host, 2 the second
		v := testimony(name, 0, ms)
		v.best.Stratum, v.best.RefID = 2, refid
		return v
	}
	leap := func(v voter, n uint8) voter { v.best.Leap = n; return v }
	for _, c := range []struct {
		name   string
		ws     []voter
		clocks int
		warn   string
	}{
		{"stratum 1 are clocks of their own", []voter{testimony("a", 0, ms), testimony("b", 0, ms)}, 2, ""},
		{"one upstream", []voter{upstream("a", 0x0A000001), upstream("b", 0x0A000001)}, 1, "2 members, 1 clock: all of them hang on 10.0.0.1"},
		{"by way of one another", []voter{upstream("a", 0x0A000001), upstream("b", 1), upstream("c", 2)}, 1, "3 members, 1 clock"},
		{"a loop is no endless one", []voter{upstream("a", 2), upstream("b", 1), upstream("c", 3)}, 3, ""},
		{"one alone", []voter{upstream("a", 0x0A000001)}, 1, ""},
		{"all announce", []voter{leap(testimony("a", 0, ms), 1), leap(testimony("b", 0, ms), 1)}, 2, ""},
		{"some announce", []voter{leap(testimony("a", 0, ms), 1), testimony("b", 0, ms), testimony("c", 0, ms)}, 3, "leap second: 1 of 3 members announce it (a), b, c not"},
		{"both ways", []voter{leap(testimony("a", 0, ms), 1), leap(testimony("b", 0, ms), 2)}, 2, "leap second: a announce a minute of 61 s, b one of 59 s"},
		{"chronyd smears", []voter{upstream("a", 0x7F7F01FF), testimony("b", 0, ms)}, 2, "leap second: a smear it now and 1 others do not"},
		{"ntpd smears", []voter{upstream("a", 0xFE123456), testimony("b", 0, ms)}, 2, "smear it now"},
		{"all smear", []voter{upstream("a", 0xFE123456), upstream("b", 0xFE123457)}, 2, ""},
	} {
		got := weigh(c.ws, map[uint32]int{1: 0, 2: 1}, testEpoch, false)
		said := strings.Join(got.Warnings, "; ")
		if got.Clocks != c.clocks || !strings.Contains(said, c.warn) || c.warn == "" && said != "" {
			t.Errorf("%s: %d clocks, %q, want %d and %q", c.name, got.Clocks, said, c.clocks, c.warn)
		}
	}
}

// from makes a sample that of a stratum 2 host that follows the address.
func from(i int, source netip.Addr) Sample {
	s := at(i, good())
	s.RefID = refIDOf(source)
	return s
}

func TestBoardTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(5))
		upstream := netip.MustParseAddr("198.51.100.1")
		for i := range 4 {
			b.Record(from(i, upstream))
		}
		b.Record(at(4, off(40*time.Millisecond)))
		got := b.Status().Truth
		if got.Witnesses != 5 || got.Agree != 4 || !slices.Equal(got.Falsetickers, []string{"ntp4"}) || got.Clocks != 2 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Hour)
		if got := b.Status().Truth; got.Witnesses != 0 {
			t.Errorf("what is an hour old still counts: %+v", got)
		}
	})
}

// A member that hangs on itself is unsynchronised, whatever it says.
func TestBoardFindsLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(4)
		v6 := netip.MustParseAddr("2001:db8::2")
		reg.Members[2].Addresses = append(reg.Members[2].Addresses, v6)
		b := newBoard(reg)
		b.Record(from(0, netip.MustParseAddr("198.51.100.1")))
		for _, c := range []struct {
			member int
			source netip.Addr
			want   string
		}{
			{1, addr(0), ""}, {3, v6, ""}, {2, addr(3), "follows ntp3, which follows it"}, {3, v6, ""},
			{2, addr(1), ""}, {0, addr(0), "follows itself"}, {0, addr(2), "follows ntp2, which follows ntp1, which follows it"},
		} {
			r := b.Record(from(c.member, c.source))
			if r.Invalid != c.want || r.Good != (c.want == "") {
				t.Errorf("ntp%d follows %v: %q, good %v, want %q", c.member, c.source, r.Invalid, r.Good, c.want)
			}
		}
	})
}

func TestBoardLooksTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(12)
		for i := range 5 {
			reg.Members[i].Site = "fra"
		}
		b := newBoard(reg)
		each := func(s Sample, members ...int) {
			for _, i := range members {
				b.Record(at(i, s))
			}
		}
		for range 150 {
			b.round(12, good())
		}
		each(mute(), 0, 1, 2) // of five
		each(mute(), 0, 1, 2)
		wantStandings(t, b, "in in in in in in")
		if s := b.Scores()[addr(0)]; s.Why != "in: score 14.0 after 1 unanswered check" {
			t.Errorf("%+v", s)
		}
		each(good(), 0) // it was the path
		each(mute(), 1, 2)
		wantStandings(t, b, "in resort resort in in in")
		each(good(), 0, 0, 0, 1, 2)
		wantStandings(t, b, "in resort resort in in in")
		if r, _ := b.Last(addr(0)); !r.In || b.Status().Booting {
			t.Errorf("a second look is no start: %+v", r)
		}

		// Measured wrong, they go at once, however many they are.
		for range 4 {
			each(off(time.Minute), 0, 1, 2, 3, 4)
			each(good(), 5, 6, 7, 8, 9, 10, 11)
		}
		wantStandings(t, b, "out out out out out in")
	})
}

// What waits for another look at a member counts when nobody looks any more.
func TestBoardLooksNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(4))
		for range 40 {
			b.round(4, good())
		}
		for i := range 3 {
			b.Record(at(i, mute()))
		}
		if len(b.waiting) == 0 {
			t.Fatal("nobody waits")
		}
		less := pool(4)
		for i := range 3 {
			less.Members[i].State = zones.Off
		}
		b.Watch(less)
		b.Record(at(3, good()))
		if r, _ := b.Last(addr(2)); len(b.waiting) > 0 || r.Missed != 1 {
			t.Errorf("%d wait, %+v", len(b.waiting), r)
		}
	})
}

// A minority of a site goes at once, and so does a site of one.
func TestBoardCutsFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(6)
		for i := range 5 {
			reg.Members[i].Site = "fra"
		}
		b := newBoard(reg)
		for range 40 {
			b.round(6, good())
		}
		for _, i := range []int{0, 1, 5} {
			b.Record(at(i, mute()))
			b.Record(at(i, mute()))
			b.Record(at(2, good()))
		}
		wantStandings(t, b, "resort resort in in in resort")
	})
}
