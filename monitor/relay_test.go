package monitor

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

// relay stands between a prober and an NTP server and spoils what passes, as
// networks and bad servers do.
type relay struct {
	there, back time.Duration                  // delay on the way
	lose        func(n int64) bool             // the n-th request, from 0
	change      func(request, p packet) packet // an answer; nil: as it is
	seen        int64
}

// start returns where the relay listens. It ends with the test.
func (r *relay) start(t *testing.T, server netip.AddrPort) netip.AddrPort {
	t.Helper()
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b := make([]byte, 512)
			n, from, err := front.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if r.lose != nil && r.losing() {
				continue
			}
			r.pass(front, b[:n], from, server) // one after the other, as the prober asks
		}
	}()
	t.Cleanup(func() { front.Close(); <-done })
	return front.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (r *relay) losing() bool {
	r.seen++
	return r.lose(r.seen - 1)
}

func (r *relay) pass(front *net.UDPConn, request []byte, from, server netip.AddrPort) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return
	}
	defer c.Close()
	time.Sleep(r.there)
	p := make(packet, 512)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err = c.Write(request); err == nil {
		var n int
		if n, err = c.Read(p); err == nil {
			p = p[:n]
			if r.change != nil {
				p = r.change(request, p)
			}
			time.Sleep(r.back)
			_, _ = front.WriteToUDPAddrPort(p, from) // who asked may have gone
		}
	}
}

// What a network or a bad server does to an exchange shows as what it is.
func TestFaultsShowAsWhatTheyAre(t *testing.T) {
	const delay = 80 * time.Millisecond
	every := func(n int64) func(int64) bool { return func(i int64) bool { return i%n == 0 } }
	for _, c := range []struct {
		name  string
		relay relay
		wait  time.Duration
		right func(s Sample, step float64) bool
	}{
		{"nothing", relay{}, patience, func(s Sample, step float64) bool {
			return s.Outcome == Answered && s.Lost == 0 && s.Sent == 3 && s.Offset.Abs() <= s.RTT && step == 1
		}},
		{"one of three lost", relay{lose: every(3)}, time.Second, func(s Sample, step float64) bool {
			return s.Outcome == Answered && s.Sent == 3 && s.Lost >= 1
		}},
		{"all lost", relay{lose: every(1)}, 20 * time.Millisecond, func(s Sample, step float64) bool {
			return s.Outcome == Silent && s.Sent == 3 && s.Lost == 3 && step == -5
		}},
		{"delay is in the round trip", relay{there: delay, back: delay}, patience, func(s Sample, step float64) bool {
			return s.RTT >= 2*delay && 2*s.Offset.Abs() <= s.RTT-2*delay+time.Millisecond && s.RootDistance >= delay
		}},
		{"half the asymmetry is in the offset", relay{back: delay}, patience, func(s Sample, step float64) bool {
			// −delay/2, give or take half of what the way took besides
			return s.RTT >= delay && (s.Offset+delay/2).Abs() <= (s.RTT-delay)/2+time.Millisecond && step >= GoodStep
		}},
		{"the other way", relay{there: delay}, patience, func(s Sample, step float64) bool {
			return s.RTT >= delay && (s.Offset-delay/2).Abs() <= (s.RTT-delay)/2+time.Millisecond
		}},
		{"false time", relay{change: func(_, p packet) packet { return p.at(time.Now().Add(time.Minute)) }}, patience, func(s Sample, step float64) bool {
			return (s.Offset-time.Minute).Abs() <= s.RTT+time.Millisecond && step == -4
		}},
		{"kiss code", relay{change: func(_, p packet) packet { return p.kiss("RATE") }}, patience, func(s Sample, step float64) bool {
			return s.Kiss == "RATE" && s.Sent == 1 && step == -3.5
		}},
		{"another's answer", relay{change: func(_, p packet) packet { p[24]++; return p }}, 20 * time.Millisecond, func(s Sample, step float64) bool {
			return s.Outcome == Silent && step == -5
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
			p := &Prober{Vantage: "fra", Samples: 3, Gap: time.Millisecond, Timeout: c.wait, Map: map[netip.Addr]netip.AddrPort{addr(1): c.relay.start(t, server)}}
			s := p.Check(t.Context(), addr(1))
			if step, _, _, why := Judge(s, zones.LAN()); !c.right(s, step) {
				t.Errorf("%+v: step %v, %s", s, step, why)
			}
		})
	}
}

// One that answers every other check never stays in, and comes back when it
// always answers.
func TestFlapping(t *testing.T) {
	server := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
	var flaps atomic.Bool
	flaps.Store(true)
	r := relay{lose: func(n int64) bool { return flaps.Load() && n%2 == 0 }}
	p := &Prober{Vantage: "fra", Samples: 1, Timeout: 200 * time.Millisecond, Map: map[netip.Addr]netip.AddrPort{addr(1): r.start(t, server)}}
	row := follow(times(117, good())...)
	for range 10 {
		row = row.After(p.Check(t.Context(), addr(1)), zones.LAN(), false)
	}
	if row.In || !row.Fell || row.Wrong {
		t.Errorf("after ten checks: %+v", row)
	}
	flaps.Store(false)
	for range 60 {
		row = row.After(p.Check(t.Context(), addr(1)), zones.LAN(), false)
	}
	if !row.In {
		t.Errorf("not back: %+v", row)
	}
}
