package monitor

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var fra1 = netip.MustParseAddr("10.16.0.11")

// asker answers the nth exchange with the nth sample, after its RTT or, when
// it is silent, after the timeout.
type asker struct {
	samples []Sample
	starts  []time.Time
	to      []netip.AddrPort
	from    []netip.Addr
}

func (a *asker) query(ctx context.Context, to netip.AddrPort, from Source, timeout time.Duration) Sample {
	n := len(a.starts)
	a.starts, a.to, a.from = append(a.starts, time.Now()), append(a.to, to), append(a.from, from.Addr)
	s := a.samples[n%len(a.samples)]
	took := s.RTT
	if s.Outcome == Silent {
		took = timeout
	}
	if !sleep(ctx, took) {
		return Sample{Outcome: Unmeasured, Err: cancelled}
	}
	return s
}

// one and lost are single exchanges.
func one(rtt time.Duration) Sample { return Sample{Stratum: 2, RTT: rtt, Sent: 1} }

var (
	lost = Sample{Outcome: Silent, Err: timedOut, Sent: 1, Lost: 1}
	ours = Sample{Outcome: Unmeasured, Err: "connect: network is unreachable"}
)

func TestCheck(t *testing.T) {
	const ms = time.Millisecond
	bad := func(s Sample, edit func(*Sample)) Sample { edit(&s); return s }
	invalid := bad(one(0), func(s *Sample) { s.Invalid = "no transmit time" })
	unsync := bad(one(ms), func(s *Sample) { s.Stratum = 16 })
	zero := bad(one(ms), func(s *Sample) { s.Stratum = 0 })
	rate := Sample{Kiss: "RATE", Sent: 1}
	for _, tt := range []struct {
		name       string
		samples    []Sample
		best       Sample
		sent, lost int
		took       time.Duration
	}{
		{"lowest round trip", []Sample{one(5 * ms), one(2 * ms), one(9 * ms)}, one(2 * ms), 3, 0, 4*time.Second + 9*ms},
		{"one answer of three", []Sample{lost, lost, one(2 * ms)}, one(2 * ms), 3, 2, 6*time.Second + 2*ms},
		{"last one lost", []Sample{one(2 * ms), lost, lost}, one(2 * ms), 3, 2, 8 * time.Second},
		{"none", []Sample{lost, lost, lost}, lost, 3, 3, 9 * time.Second},
		{"RATE ends it", []Sample{one(2 * ms), rate}, rate, 2, 0, 2 * time.Second},
		{"stratum 16 ends it", []Sample{unsync}, unsync, 1, 0, ms},
		{"stratum 0 ends it", []Sample{lost, zero}, zero, 2, 1, 3*time.Second + ms},
		{"right times before a short round trip", []Sample{invalid, one(9 * ms), invalid}, one(9 * ms), 3, 0, 4 * time.Second},
		{"an answer without right times is one", []Sample{lost, invalid, lost}, invalid, 3, 2, 8 * time.Second},
		{"no route", []Sample{ours, ours, ours}, ours, 0, 0, 4 * time.Second},
		{"silence beside our own failure proves nothing", []Sample{lost, ours, lost}, ours, 2, 2, 8 * time.Second},
		{"an answer beside our own failure does", []Sample{ours, one(3 * ms), ours}, one(3 * ms), 1, 0, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &asker{samples: tt.samples}
				p := &Prober{Vantage: "fra", Query: a.query}
				start := time.Now()
				got := p.Check(t.Context(), fra1)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				want := tt.best
				want.Addr, want.Vantage, want.Time = fra1, "fra", time.Now().UTC()
				want.Sent, want.Lost = tt.sent, tt.lost
				if got != want {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		})
	}
}

func TestCheckCancelled(t *testing.T) {
	for name, after := range map[string]time.Duration{"in an exchange": time.Second, "between two": 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := &Prober{Query: (&asker{samples: []Sample{lost}}).query, Gap: time.Minute}
			start := time.Now()
			if s := p.Check(ending(t, after), fra1); s.Outcome != Unmeasured || s.Err != cancelled {
				t.Errorf("%s: %+v", name, s)
			}
			if time.Since(start) != after {
				t.Errorf("%s: ended after %v", name, time.Since(start))
			}
		})
	}
}

func TestCheckAddresses(t *testing.T) {
	six, elsewhere := netip.MustParseAddr("fd12::11"), netip.MustParseAddrPort("127.0.0.1:12301")
	src4, src6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd12::1")
	a := &asker{samples: []Sample{one(0)}}
	p := &Prober{Query: a.query, Samples: 1, Source4: src4, Source6: src6, Port: 1123,
		Map: map[netip.Addr]netip.AddrPort{netip.MustParseAddr("fd12::12"): elsewhere}}
	for _, addr := range []netip.Addr{fra1, six, netip.MustParseAddr("fd12::12"), netip.MustParseAddr("::ffff:10.1.1.1")} {
		if s := p.Check(t.Context(), addr); s.Addr != addr {
			t.Errorf("asked for %v, got %v", addr, s.Addr)
		}
	}
	want := []netip.AddrPort{netip.AddrPortFrom(fra1, 1123), netip.AddrPortFrom(six, 1123), elsewhere, netip.MustParseAddrPort("[::ffff:10.1.1.1]:1123")}
	if !slices.Equal(a.to, want) {
		t.Errorf("asked %v, want %v", a.to, want)
	}
	if want := []netip.Addr{src4, src6, src4, src4}; !slices.Equal(a.from, want) {
		t.Errorf("from %v, want %v", a.from, want)
	}
}

// The real thing: three packets over loopback, one answer to no question of ours.
func TestCheckOverTheWire(t *testing.T) {
	noLeaks(t)
	n := 0
	to := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte {
		if n++; n == 2 {
			return make(packet, 48)
		}
		return answer(q).at(time.Now().Add(300 * time.Millisecond))
	})
	p := &Prober{Map: map[netip.Addr]netip.AddrPort{fra1: to}, Gap: time.Millisecond, Timeout: patience}
	s := p.Check(t.Context(), fra1)
	if s.Outcome != Answered || s.Sent != 3 || s.Lost != 1 || s.Addr != fra1 {
		t.Errorf("%+v", s)
	}
	if d := s.Offset - 300*time.Millisecond; d.Abs() > s.RTT/2+time.Microsecond {
		t.Errorf("offset %v, round trip %v", s.Offset, s.RTT)
	}
}

// An offset from before our clock was set says nothing when the check is over.
func TestCheckAcrossAStep(t *testing.T) {
	for by, want := range map[time.Duration]Outcome{0: Answered, 5 * time.Second: Unmeasured, -5 * time.Second: Unmeasured} {
		var c tally
		c.add(off(by))
		c.wall = c.wall.Add(-by)
		c.add(good())
		if s := c.sample(testAddr, "fra", time.Now()); s.Outcome != want || s.Sent != 6 {
			t.Errorf("set by %v: %+v", by, s)
		}
	}
	var c tally
	c.add(mute())
	c.wall = c.wall.Add(time.Hour)
	if s := c.sample(testAddr, "fra", time.Now()); s.Outcome != Silent {
		t.Errorf("no clock is needed to hear nothing: %+v", s)
	}
}
