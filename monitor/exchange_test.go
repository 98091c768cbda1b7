package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beevik/ntp"
	"go.uber.org/goleak"

	"github.com/timepool/timepool/zones"
)

const patience = 10 * time.Second // for what must come

// noLeaks fails the test when goroutines are left after its own cleanups.
func noLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func TestExchange(t *testing.T) {
	noLeaks(t)
	now := time.Now
	tests := []struct {
		name  string
		reply func(request []byte) []byte
		want  Sample // but for the times measured
		off   time.Duration
		rd    time.Duration // root distance without RTT/2; 0: none at all
	}{
		{name: "good", reply: func(q []byte) []byte { return answer(q) },
			want: Sample{Stratum: 2}, rd: 10 * time.Millisecond},
		{name: "fast", reply: func(q []byte) []byte { return answer(q).at(now().Add(300 * time.Millisecond)) },
			want: Sample{Stratum: 2}, off: 300 * time.Millisecond, rd: 10 * time.Millisecond},
		{name: "slow", reply: func(q []byte) []byte { return answer(q).at(now().Add(-5 * time.Second)) },
			want: Sample{Stratum: 2}, off: -5 * time.Second, rd: 10 * time.Millisecond},
		{name: "stratum 16", reply: func(q []byte) []byte { return answer(q).stratum(16) },
			want: Sample{Stratum: 16}, rd: 10 * time.Millisecond},
		{name: "leap 3", reply: func(q []byte) []byte { return answer(q).leap(3) },
			want: Sample{Stratum: 2, Leap: 3}, rd: 10 * time.Millisecond},
		{name: "leap 1 is an announcement", reply: func(q []byte) []byte { return answer(q).leap(1) },
			want: Sample{Stratum: 2, Leap: 1}, rd: 10 * time.Millisecond},
		{name: "RATE without times", reply: func(q []byte) []byte { return answer(q).kiss("RATE") },
			want: Sample{Leap: 3, Kiss: "RATE"}},
		{name: "RATE with times", reply: func(q []byte) []byte { return answer(q).kiss("RATE").at(now().Add(time.Hour)) },
			want: Sample{Leap: 3, Kiss: "RATE"}},
		{name: "DENY", reply: func(q []byte) []byte { return answer(q).kiss("DENY") },
			want: Sample{Leap: 3, Kiss: "DENY"}},
		{name: "INIT", reply: func(q []byte) []byte { return answer(q).kiss("INIT") },
			want: Sample{Leap: 3, Kiss: "INIT"}},
		{name: "stratum 0 without a code", reply: func(q []byte) []byte { return answer(q).kiss("\x00").at(now()) },
			want: Sample{Leap: 3}, rd: 10 * time.Millisecond},
		{name: "no transmit time", reply: func(q []byte) []byte { p := answer(q); clear(p[40:]); return p },
			want: Sample{Stratum: 2, Invalid: "no transmit time"}},
		{name: "ticked backwards", reply: func(q []byte) []byte { p := answer(q); putTime(p[32:], now().Add(time.Minute)); return p },
			want: Sample{Stratum: 2, Invalid: "sent before it received"}},
		{name: "transmit before reference", reply: func(q []byte) []byte { p := answer(q); putTime(p[16:], now().Add(time.Minute)); return p },
			want: Sample{Stratum: 2, Invalid: "sent before its reference time"}, rd: 10 * time.Millisecond},
		{name: "no reference time", reply: func(q []byte) []byte { p := answer(q); clear(p[16:24]); return p },
			want: Sample{Stratum: 2, Invalid: "no reference time"}, rd: 10 * time.Millisecond},
		{name: "stale", reply: func(q []byte) []byte { p := answer(q); putTime(p[16:], now().Add(-50*time.Hour)); return p },
			want: Sample{Stratum: 2, Invalid: "clock last set 50 hours ago"}, rd: 10 * time.Millisecond},
		{name: "huge root dispersion", reply: func(q []byte) []byte { p := answer(q); p[9] = 20; return p },
			want: Sample{Stratum: 2}, rd: 20*time.Second + 10*time.Millisecond},
		{name: "mode 2", reply: func(q []byte) []byte { p := answer(q); p[0] = 4<<3 | 2; return p },
			want: Sample{Stratum: 2, Invalid: "mode 2 in an answer"}},
		{name: "wrong origin", reply: func(q []byte) []byte { p := answer(q); p[30] ^= 1; return p },
			want: Sample{Outcome: Silent, Lost: 1, Err: "bogus packet: wrong origin timestamp"}},
		{name: "kiss with a wrong origin", reply: func(q []byte) []byte { p := answer(q).kiss("DENY"); p[24] ^= 1; return p },
			want: Sample{Outcome: Silent, Lost: 1, Err: "bogus packet: wrong origin timestamp"}},
		{name: "request sent back", reply: func(q []byte) []byte { return q },
			want: Sample{Outcome: Silent, Lost: 1, Err: "bogus packet: wrong origin timestamp"}},
		{name: "short packet", reply: func(q []byte) []byte { return answer(q)[:47] },
			want: Sample{Outcome: Silent, Lost: 1, Err: "bogus packet of 47 octets"}},
		{name: "empty packet", reply: func(q []byte) []byte { return []byte{} },
			want: Sample{Outcome: Silent, Lost: 1, Err: "bogus packet of 0 octets"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := serveNTP(t, "127.0.0.1:0", tt.reply)
			got := Exchange(t.Context(), to, Source{}, patience)
			if tt.rd != 0 && !close1(got.RootDistance-got.RTT/2, tt.rd) {
				t.Errorf("root distance %v with round trip %v, want %v beside it", got.RootDistance, got.RTT, tt.rd)
			}
			if d := got.Offset - tt.off; tt.rd != 0 && d.Abs() > got.RTT/2+time.Microsecond {
				t.Errorf("offset %v with round trip %v, want %v", got.Offset, got.RTT, tt.off)
			}
			if tt.rd == 0 && (got.Offset != 0 || got.RTT != 0 || got.RootDistance != 0) {
				t.Errorf("times from a packet that has none: %v %v %v", got.Offset, got.RTT, got.RootDistance)
			}
			tt.want.Addr, tt.want.Sent, tt.want.Time, tt.want.RefID = to.Addr(), 1, got.Time, got.RefID
			tt.want.Offset, tt.want.RTT, tt.want.RootDistance = got.Offset, got.RTT, got.RootDistance
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// close1 allows for the 15 µs steps of the wire's short format.
func close1(a, b time.Duration) bool { return (a - b).Abs() <= 40*time.Microsecond }

func TestExchangeReadsRefID(t *testing.T) {
	to := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
	if got := Exchange(t.Context(), to, Source{}, patience).RefID; got != 0x0a100001 {
		t.Errorf("refid %08x", got)
	}
}

func TestExchangeAddresses(t *testing.T) {
	good := func(q []byte) []byte { return answer(q) }
	v4, local4 := serveNTP(t, "127.0.0.1:0", good), netip.MustParseAddr("127.0.0.1")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(v4.Addr().As16()), v4.Port())
	for name, s := range map[string]Sample{
		"from a given address": Exchange(t.Context(), v4, Source{Addr: local4}, patience),
		"v4 mapped in v6":      Exchange(t.Context(), mapped, Source{Addr: local4}, patience),
	} {
		if s.Outcome != Answered || s.Addr != local4 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	t.Run("IPv6", func(t *testing.T) {
		s := Exchange(t.Context(), serveNTP(t, "[::1]:0", good), Source{Addr: netip.IPv6Loopback()}, patience)
		if s.Outcome != Answered || s.Addr != netip.IPv6Loopback() {
			t.Errorf("%+v", s)
		}
	})
}

func TestExchangeSilent(t *testing.T) {
	to := serveNTP(t, "127.0.0.1:0", func([]byte) []byte { return nil })
	s := Exchange(t.Context(), to, Source{}, 20*time.Millisecond)
	if s.Outcome != Silent || s.Err != timedOut || s.Sent != 1 || s.Lost != 1 {
		t.Errorf("no answer: %+v", s)
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	s = Exchange(t.Context(), c.LocalAddr().(*net.UDPAddr).AddrPort(), Source{}, patience)
	if s.Outcome != Silent || s.Err != "port unreachable" {
		t.Errorf("nobody listens: %+v", s)
	}
}

func TestExchangeUnmeasured(t *testing.T) {
	to := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
	for name, s := range map[string]Sample{
		"source address of another host": Exchange(t.Context(), to, Source{Addr: netip.MustParseAddr("203.0.113.9")}, patience),
		"no address":                     Exchange(t.Context(), netip.AddrPort{}, Source{}, patience),
	} {
		if s.Outcome != Unmeasured || s.Err == "" || s.Sent != 0 || s.Lost != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestExchangeCancelled(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	to := serveNTP(t, "127.0.0.1:0", func([]byte) []byte { cancel(); return nil })
	for range 2 { // cancelled under way, then beforehand
		if s := Exchange(ctx, to, Source{}, time.Hour); s.Outcome != Unmeasured || s.Err != cancelled || s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// The same number means two things: ours before the packet left, the network's
// afterwards.
func TestFailure(t *testing.T) {
	tests := []struct {
		op   string
		call string
		err  error
		want Outcome
	}{
		{"dial", "connect", syscall.ENETUNREACH, Unmeasured},
		{"dial", "connect", syscall.EHOSTUNREACH, Unmeasured},
		{"dial", "connect", syscall.EACCES, Unmeasured},
		{"dial", "socket", syscall.EAFNOSUPPORT, Unmeasured},
		{"dial", "socket", syscall.EMFILE, Unmeasured},
		{"dial", "socket", syscall.ENFILE, Unmeasured},
		{"dial", "bind", syscall.EADDRNOTAVAIL, Unmeasured},
		{"write", "write", syscall.EPERM, Unmeasured},
		{"write", "write", syscall.ENOBUFS, Unmeasured},
		{"read", "recvmsg", syscall.ECONNREFUSED, Silent},
		{"read", "recvmsg", syscall.EHOSTUNREACH, Silent},
		{"read", "recvmsg", syscall.EACCES, Silent},
		{"read", "", os.ErrDeadlineExceeded, Silent},
	}
	for _, tt := range tests {
		err := tt.err
		if tt.call != "" {
			err = os.NewSyscallError(tt.call, tt.err)
		}
		got, why := failure(&net.OpError{Op: tt.op, Net: "udp", Err: err})
		if got != tt.want || why == "" {
			t.Errorf("%s %v: %v %q, want %v", tt.op, tt.err, got, why, tt.want)
		}
	}
	if got, _ := failure(errors.New("anything else")); got != Unmeasured {
		t.Errorf("what is not known to be the network's fault: %v", got)
	}
}

func TestStepped(t *testing.T) {
	sent := time.Now()
	for _, tt := range []struct {
		wall time.Duration
		want bool
	}{
		{0, false}, {80 * time.Millisecond, false}, {101 * time.Millisecond, false},
		{2 * time.Second, true}, {-time.Second, true},
	} {
		stamps := ntp.ProtocolTimestamps{ClientXmit: sent, ClientRecv: sent.Round(0).Add(tt.wall)}
		if got := stepped(stamps, 100*time.Millisecond); got != tt.want {
			t.Errorf("%v by the wall in 100 ms: %v", tt.wall, got)
		}
	}
}

// FuzzExchange feeds whole answers with the right origin: none may crash, and
// each must be judged within the profile.
func FuzzExchange(f *testing.F) {
	request := make([]byte, 48)
	endless := answer(request)
	endless[2], endless[3] = 0x80, 0x80 // poll and precision −128: beevik shifts by them
	for _, p := range []packet{endless, answer(request), answer(request).kiss("RATE"), answer(request).stratum(16).leap(3), make(packet, 48)} {
		f.Add([]byte(p))
	}
	var body atomic.Pointer[[]byte]
	to := serveNTP(f, "127.0.0.1:0", func(q []byte) []byte {
		p := append([]byte{}, *body.Load()...) // never nil: that is silence
		if len(p) >= 32 {
			copy(p[24:32], q[40:48])
		}
		return p
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1400 {
			return
		}
		body.Store(&b)
		s := Exchange(t.Context(), to, Source{}, patience)
		if len(b) >= 48 && (s.Outcome != Answered || s.Stratum != b[1] || s.Leap != b[0]>>6 || s.RefID != binary.BigEndian.Uint32(b[12:])) {
			t.Errorf("%+v from % x", s, b)
		}
		step, limit, _, why := Judge(s, zones.NTPPool())
		if !(step >= -10 && step <= 1) || math.IsNaN(limit) || why == "" {
			t.Errorf("step %v cap %v %q for %+v", step, limit, why, s)
		}
	})
}
