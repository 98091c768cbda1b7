package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

// play is a Board over servers that are checked in any order at any pace, while
// the clock of this node is off.
type play struct {
	*rapid.T
	b       *Board
	now     time.Time
	off     time.Duration // of our clock
	seen    bool          // the operating system tells when it is set
	servers []*server     // members, then references
	members int
}

type server struct {
	addr                 netip.Addr
	wrong, rtt, distance time.Duration
	dead                 bool
	next                 time.Duration // check, since the start
	score                float64       // when last looked at
	bad                  int           // checks since it is wrong or dead
}

const interval = 64 * time.Second

func duration(t *rapid.T, low, high time.Duration, name string) time.Duration {
	return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, name))
}

// newPlay restores members that are in with scores from 10 up, as good as wrong
// soon: one bad check has most of them out.
func newPlay(t *rapid.T, members, references int) *play {
	p := &play{T: t, now: testEpoch, seen: rapid.Bool().Draw(t, "seen"), members: members}
	o := BoardOptions{
		Vantage: "fra", Interval: interval, Own: func(netip.Addr) bool { return false },
		Now: func() time.Time { return p.now },
		Wall: func() time.Time {
			if p.seen {
				return p.now.Add(p.off)
			}
			return p.now
		},
	}
	for i := range members + references {
		s := &server{
			addr: addr(i), rtt: duration(t, 0, 20*time.Millisecond, "rtt"), distance: duration(t, 0, 15*time.Millisecond, "distance"),
			next: duration(t, 0, interval, "first"), score: rapid.Float64Range(10, 20).Draw(t, "score"),
		}
		p.servers = append(p.servers, s)
		if i >= members {
			o.References = append(o.References, s.addr)
			continue
		}
		o.Rows = append(o.Rows, Row{Sample: Sample{Addr: s.addr, Vantage: "fra", Time: testEpoch}, Score: s.score, Checks: 20, Reached: true, In: true})
	}
	p.b = NewBoard(o)
	reg := pool(members)
	reg.Zone.Profile = "lan"
	p.b.Watch(reg)
	return p
}

// check is what this node measures of a server now.
func (p *play) check(s *server) {
	sample := Sample{Addr: s.addr, Time: p.now, Sent: 1, Stratum: 2, RTT: s.rtt, RootDistance: s.distance, Outcome: Silent, Err: timedOut}
	if !s.dead {
		error := duration(p.T, -2*time.Millisecond, 2*time.Millisecond, "error")
		sample.Outcome, sample.Err, sample.Offset = Answered, "", s.wrong-p.off+error
	}
	if s.bad++; s.wrong == 0 && !s.dead {
		s.bad = 0
	}
	p.b.Record(sample)
}

// run goes on until so long after the start, and looks after each event.
func (p *play) run(until time.Duration, look func()) {
	for p.now.Sub(testEpoch) < until {
		s := slices.MinFunc(p.servers, func(x, y *server) int { return cmp.Compare(x.next, y.next) })
		at := p.now.Sub(testEpoch)
		if next := min(s.next, until); next > at+time.Second {
			p.now = p.now.Add(time.Second)
			p.b.tick()
		} else if p.now = testEpoch.Add(next); next == s.next {
			p.check(s)
			s.next += duration(p.T, interval/2, 3*interval/2, "pace")
		}
		look()
	}
}

// spared fails when the score of a member that is right fell, or it is out.
func (p *play) spared() {
	for a, s := range p.b.Scores() {
		i := slices.IndexFunc(p.servers, func(x *server) bool { return x.addr == a })
		if m := p.servers[i]; m.wrong == 0 && !m.dead {
			if s.Value < m.score || s.Standing != zones.In {
				p.Fatalf("%v: score %.2f, was %.2f, %v: %s; %+v", a, s.Value, m.score, s.Standing, s.Why, p.b.Status())
			}
			m.score = s.Value
		}
	}
}

var anyError = rapid.Custom(func(t *rapid.T) time.Duration {
	off := duration(t, 50*time.Millisecond, rapid.SampledFrom([]time.Duration{100 * time.Millisecond, 10 * time.Second, 9 * time.Hour}).Draw(t, "at most"), "off")
	return rapid.SampledFrom([]time.Duration{off, -off}).Draw(t, "side")
})

// Whenever the clock of this node goes off, from the start or later, noticed or
// not, and whenever it is right again: no member's score falls by it, and none
// is cut. Members that are wrong or dead do not change that, as long as those
// that are right are a majority of three at least, or references tell.
func TestOwnClockCutsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		right, references := rapid.IntRange(1, 6).Draw(t, "right"), rapid.IntRange(0, 4).Draw(t, "references")
		if references == 0 {
			right += 2
		}
		wrong, dead := rapid.IntRange(0, max(0, right-1)).Draw(t, "wrong"), rapid.IntRange(0, 3).Draw(t, "dead")
		p := newPlay(t, right+wrong+dead, references)
		for i, s := range p.servers[right : right+wrong+dead] {
			if s.dead = i >= wrong; !s.dead {
				s.wrong = anyError.Draw(t, "wrong by")
			}
		}
		for i := range mayFail(references) {
			p.servers[p.members+i].wrong = anyError.Draw(t, "reference wrong by")
		}
		p.run(duration(t, 0, 6*interval, "right until"), p.spared)
		p.off = anyError.Draw(t, "our clock off by")
		// Long enough that all have a check meanwhile: before that it may as well be the member.
		p.run(p.now.Sub(testEpoch)+duration(t, 3*interval/2, 8*interval, "off for"), p.spared)
		p.off = 0
		p.run(p.now.Sub(testEpoch)+8*interval, p.spared)
	})
}

// A member that goes wrong, or silent, is out once its third check of that kind
// has been vouched for, which takes no longer than a check of every other; in a
// pool of one, where nobody could vouch, with the third check.
func TestBadMemberIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t, rapid.IntRange(1, 8).Draw(t, "members"), rapid.IntRange(0, 4).Draw(t, "references"))
		p.run(duration(t, 0, 6*interval, "good until"), p.spared)
		bad := p.servers[0]
		if bad.bad = 0; rapid.Bool().Draw(t, "dead") {
			bad.dead = true
		} else {
			bad.wrong = 2 * anyError.Draw(t, "wrong by")
		}
		var third time.Duration
		p.run(p.now.Sub(testEpoch)+8*interval, func() {
			p.spared()
			at := p.now.Sub(testEpoch)
			if bad.bad == 3 && third == 0 {
				third = at
			}
			wait := 3*interval/2 + time.Second
			if len(p.servers) == 1 {
				wait = 0
			}
			if s := p.b.Scores()[bad.addr]; third > 0 && at > third+wait && s.Standing == zones.In {
				t.Fatalf("still in: %+v; %+v", s, p.b.Status())
			}
		})
		if third == 0 {
			t.Fatal("never checked")
		}
	})
}
