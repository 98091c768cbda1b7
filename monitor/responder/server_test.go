package responder

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens s on loopback, where it names no address, and ends it with the test.
func open(t testing.TB, s *Server, listen ...string) netip.AddrPort {
	t.Helper()
	if len(listen) == 0 {
		listen = []string{"127.0.0.1:0"}
	}
	for _, l := range listen {
		s.Listen = append(s.Listen, netip.MustParseAddrPort(l))
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Addrs()[0]
}

// run runs s, open already, until stop is called or the test ends.
func run(t testing.TB, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// answer is what a loop does with a request, without a socket.
func answer(s *Server, dst, request []byte, received Stamp, client netip.AddrPort, now time.Time) ([]byte, Verdict) {
	j := s.judge(request, client, now)
	if !j.Replied() {
		return nil, j.Verdict
	}
	return s.reply(dst, request, client.Addr(), received, StampOf(time.Now()), &j), j.Verdict
}

func always(s State) func() *State { return func() *State { return &s } }

type client struct {
	t testing.TB
	*net.UDPConn
}

func dial(t testing.TB, server netip.AddrPort) client {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// A deadline only for a test that fails: nothing waits for it.
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return client{t, conn}
}

func (c client) send(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// receive gives the next reply; nil when none comes in 10 s.
func (c client) receive() []byte {
	c.t.Helper()
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	return buf[:n]
}

func stampAt(p []byte, at int) Stamp { return Stamp(binary.BigEndian.Uint64(p[at:])) }

// Every conversation over real sockets, on the loop of this system and on the
// one for systems without: the reply, or silence, and the counter that moved.
func TestServerConformance(t *testing.T) {
	for _, name := range []string{"serve", "serveAnywhere"} {
		t.Run(name, func(t *testing.T) {
			s := &Server{State: always(good)}
			addr := open(t, s)
			loop := s.serve
			if name == "serveAnywhere" {
				conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
				if err != nil {
					t.Fatal(err)
				}
				s.sockets[0].conn.Close()
				addr, s.sockets[0].conn = conn.LocalAddr().(*net.UDPAddr).AddrPort(), conn
				loop = func(sk *socket) error { return s.serveAnywhere(conn, sk) }
			}
			c := dial(t, addr)
			done := make(chan error)
			go func() { done <- loop(s.sockets[0]) }()
			sentinel := packet(4, 3)
			binary.BigEndian.PutUint64(sentinel[40:], ^uint64(cookie))
			var want Counters
			for _, x := range conversations() {
				if x.port == ntpPort {
					continue // a port of its own that only root may take; see TestReplyConformance
				}
				before := StampOf(time.Now())
				c.send(x.packet)
				c.send(sentinel)
				want[x.want]++
				want[Answered]++
				got := c.receive()
				if x.want.Replied() {
					checkStamps(t, x, got, before)
					got = c.receive()
				}
				// The sentinel comes next: nothing else was sent.
				if stampAt(got, 24) != ^Stamp(cookie) {
					t.Fatalf("%s: an unexpected reply % x", x.name, got)
				}
			}
			s.Close()
			<-done
			if got := s.Counters(); got != want {
				t.Errorf("counters %v, want %v", got, want)
			}
		})
	}
}

// checkStamps holds a reply against golden, stamps and the dispersion that
// grows with them apart.
func checkStamps(t *testing.T, x conversation, got []byte, before Stamp) {
	t.Helper()
	now := StampOf(time.Now())
	want := golden(t, x)
	if len(got) != headerLen || !bytes.Equal(got[:8], want[:8]) || !bytes.Equal(got[12:32], want[12:32]) {
		t.Fatalf("%s:\n got %x\nwant %x", x.name, got, want)
	}
	rx, tx := stampAt(got, 32), stampAt(got, 40)
	// A transmit stamp foretells when the reply leaves, by 20 µs at most.
	if before > rx || rx > tx || tx > now.Add(20*time.Microsecond) {
		t.Errorf("%s: sent %x, received %x, transmit %x, back %x", x.name, before, rx, tx, now)
	}
}

// The receive stamp is the kernel's: a request that lay in the socket before
// anybody read it carries the time of its arrival.
func TestServerKernelStamp(t *testing.T) {
	s := &Server{State: always(good)}
	c := dial(t, open(t, s))
	if !kernelStamps {
		t.Skip("no kernel receive stamps on this system")
	}
	before := StampOf(time.Now())
	c.send(packet(4, 3))
	arrived := StampOf(time.Now()) // loopback delivers within the call
	time.Sleep(20 * time.Millisecond)
	read := StampOf(time.Now())
	run(t, s)
	got := c.receive()
	if rx, tx := stampAt(got, 32), stampAt(got, 40); rx < before || rx > arrived || tx < read {
		t.Errorf("sent %x–%x, received %x, read %x, transmit %x", before, arrived, rx, read, tx)
	}
}

// On a wildcard socket the reply leaves from the address that was asked; a
// connected client takes no other.
func TestServerRepliesFromTheAddressAsked(t *testing.T) {
	if !kernelStamps {
		t.Skip("the system chooses the source address here")
	}
	s := &Server{State: always(good)}
	port := open(t, s, "0.0.0.0:0").Port()
	run(t, s)
	for _, addr := range []string{"127.0.0.1", "127.0.0.2", "127.9.9.9"} {
		c := dial(t, netip.AddrPortFrom(netip.MustParseAddr(addr), port))
		c.send(packet(4, 3))
		c.receive()
	}
}

func TestServerIPv6(t *testing.T) {
	probe, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	probe.Close()
	s := &Server{State: always(good)}
	open(t, s, "[::1]:0", "[::]:0", "0.0.0.0:0")
	run(t, s)
	for i, addr := range []string{"::1", "::1", "127.0.0.1"} {
		c := dial(t, netip.AddrPortFrom(netip.MustParseAddr(addr), s.Addrs()[i].Port()))
		c.send(packet(4, 3))
		c.receive()
	}
}

// :: does not take IPv4 with it, so :: and 0.0.0.0 fit on one port.
func TestServerBothWildcards(t *testing.T) {
	var err error
	for range 5 { // somebody else may have the IPv4 port
		v6 := &Server{Listen: []netip.AddrPort{netip.MustParseAddrPort("[::]:0")}}
		if err := v6.Open(); err != nil {
			t.Skip("no IPv6 here:", err)
		}
		v4 := &Server{Listen: []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), v6.Addrs()[0].Port())}}
		err = v4.Open()
		v4.Close()
		v6.Close()
		if err == nil {
			return
		}
	}
	t.Error(err)
}

// A second server is told, and an error leaves nothing open.
func TestServerAddressInUse(t *testing.T) {
	first := &Server{State: always(good)}
	taken := open(t, first)
	second := &Server{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), taken}}
	err := second.Open()
	if err == nil || !strings.Contains(err.Error(), taken.String()) || !strings.Contains(err.Error(), "already in use") {
		t.Fatalf("got %v", err)
	}
	if second.sockets[0].conn.Close() == nil {
		t.Error("the other address stayed open")
	}
	if err := (&Server{Listen: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")}}).Open(); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("an address of nobody: %v", err)
	}
	if err := (&Server{}).Open(); err == nil {
		t.Error("opened without an address")
	}
	if err := (&Server{}).Run(t.Context()); err == nil {
		t.Error("ran without being open")
	}
}

// Siblings share an address, are counted together, and keep a second server out
// whether it wants siblings or not.
func TestServerSiblings(t *testing.T) {
	s := &Server{State: always(good), Sockets: 4}
	addr := open(t, s)
	if n := len(s.sockets); n == 1 {
		t.Skip("no siblings on this system")
	} else if n != 4 || len(s.Addrs()) != 1 {
		t.Fatalf("%d sockets, addresses %v", n, s.Addrs())
	}
	for _, n := range []int{1, 4} {
		second := &Server{Listen: []netip.AddrPort{addr}, Sockets: n}
		if err := second.Open(); err == nil || !strings.Contains(err.Error(), "already in use") {
			second.Close()
			t.Errorf("a second server of %d sockets: %v", n, err)
		}
	}
	stop := run(t, s)
	for range 64 {
		c := dial(t, addr)
		c.send(packet(4, 3))
		c.receive()
	}
	stop()
	if got := s.Counters()[Answered]; got != 64 {
		t.Errorf("%d answered", got)
	}
	busy := 0
	for _, sk := range s.sockets {
		if sk.counters[Answered].Load() > 0 {
			busy++
		}
	}
	if busy < 2 { // by chance: 4⁻⁶³
		t.Errorf("one of %d sockets got everything", len(s.sockets))
	}
}

// What State gives is what the next packet gets: right, wrong, unsynchronised,
// silent and right again.
func TestServerFollowsState(t *testing.T) {
	var state atomic.Pointer[State]
	s := &Server{State: state.Load}
	c := dial(t, open(t, s))
	stop := run(t, s)
	ask := func(st State) []byte {
		state.Store(&st)
		c.send(packet(4, 3))
		return c.receive()
	}
	if got := ask(good); got[1] != 2 {
		t.Errorf("stratum %d", got[1])
	}
	if got := ask(Unsynchronised()); got[0]>>6 != 3 || got[1] != 0 || !bytes.Equal(got[12:16], make([]byte, 4)) {
		t.Errorf("unsynchronised: % x", got)
	}
	wrong := good
	wrong.Offset = time.Hour
	before := time.Now()
	if rx := stampAt(ask(wrong), 32).Time(before); rx.Before(before.Add(time.Hour - time.Second)) {
		t.Errorf("an hour wrong: %v at %v", rx, before)
	}
	state.Store(nil)
	c.send(packet(4, 3))
	for s.Counters()[Silent] == 0 {
		time.Sleep(time.Millisecond)
	}
	ask(good)
	stop()
	if got := s.Counters(); got[Answered] != 4 || got[Silent] != 1 {
		t.Errorf("counters %v", got)
	}
}

// A client over its limit is kissed with RATE, leap 3 and stratum 0, and its
// own stamp, without which it would not believe it.
func TestServerKisses(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Rate: 1, Burst: 1}, now)
	const kiss, drop = 1, 5 // neither leaks; 1/4%4 == 0 is kissed
	odds := uint64(kiss)
	l.random = func() uint64 { return odds }
	s := &Server{State: always(good), Limiter: l}
	out, v := answer(s, nil, packet(4, 3), received, home, now)
	if v != Answered || out[1] != 2 {
		t.Fatalf("the first: %v % x", v, out)
	}
	out, v = answer(s, nil, packet(4, 3), received, home, now)
	if v != Kissed || out[0] != 3<<6|4<<3|4 || out[1] != 0 || string(out[12:16]) != "RATE" || stampAt(out, 24) != cookie || stampAt(out, 40) == 0 {
		t.Errorf("over the limit: %v % x", v, out)
	}
	odds = drop
	if out, v = answer(s, nil, packet(4, 3), received, home, now); v != Limited || out != nil {
		t.Errorf("over the limit: %v % x", v, out)
	}
	// What gets no reply anyway costs nobody his share.
	other := netip.MustParseAddrPort("192.0.2.8:40000")
	answer(s, nil, packet(4, 6), received, other, now)
	if _, v = answer(s, nil, packet(4, 3), received, other, now); v != Answered {
		t.Errorf("after a refused packet: %v", v)
	}
}

func TestServerAllowAndDeny(t *testing.T) {
	nets := func(list ...string) (p []netip.Prefix) {
		for _, n := range list {
			p = append(p, netip.MustParsePrefix(n))
		}
		return p
	}
	for _, x := range []struct {
		allow, deny []netip.Prefix
		in, out     []string
	}{
		{nil, nil, []string{"192.0.2.1", "2001:db8::1"}, nil},
		{nil, nets("10.0.0.0/8"), []string{"192.0.2.1", "::1"}, []string{"10.1.2.3"}},
		{nil, nets("fe80::/10"), nil, []string{"fe80::1%eth0"}},
		{nets("10.0.0.0/8", "fd00::/8"), nil, []string{"10.1.2.3", "fd12::1"}, []string{"192.0.2.1", "2001:db8::1"}},
		{nets("10.0.0.0/8", "10.1.2.0/24"), nets("10.1.0.0/16", "10.3.0.0/16"), []string{"10.0.0.1", "10.1.2.3"}, []string{"10.1.3.1", "10.3.0.1", "11.0.0.1"}},
		{nets("10.0.0.0/8"), nets("10.0.0.0/8"), nil, []string{"10.0.0.1", "11.0.0.1"}},
		{nets("0.0.0.0/0"), nets("192.0.2.1/32"), []string{"192.0.2.2"}, []string{"192.0.2.1", "::1"}},
	} {
		s := &Server{State: always(good), Allow: x.allow, Deny: x.deny}
		for want, list := range map[Verdict][]string{Answered: x.in, Denied: x.out} {
			for _, addr := range list {
				from := netip.AddrPortFrom(netip.MustParseAddr(addr), 1234)
				reply, v := answer(s, nil, packet(4, 3), received, from, time.Now())
				if v != want || (reply != nil) != (want == Answered) {
					t.Errorf("allow %v deny %v: %s is %v, want %v", x.allow, x.deny, addr, v, want)
				}
			}
		}
	}
}

func TestServerAnswerAllocatesNothing(t *testing.T) {
	now := time.Now()
	s := &Server{State: always(good), Limiter: NewLimiter(Limit{}, now)}
	request, dst := packet(4, 3), make([]byte, 0, headerLen)
	if n := testing.AllocsPerRun(1000, func() { answer(s, dst, request, received, home, now) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// A whole exchange over a socket, the client's part included, allocates
// nothing: so the loop does not either.
func TestServerLoopAllocatesNothing(t *testing.T) {
	for name, s := range map[string]*Server{"named": {}, "wildcard": {}} {
		s.State = always(good)
		listen := map[string]string{"named": "127.0.0.1:0", "wildcard": "0.0.0.0:0"}[name]
		c := dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), open(t, s, listen).Port()))
		run(t, s)
		request, buf := packet(4, 3), make([]byte, 100)
		n := testing.AllocsPerRun(500, func() {
			c.Write(request)
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations an exchange", name, n)
		}
	}
}

// A client that speaks to two sockets is counted once on each.
func TestServerCountsAllSockets(t *testing.T) {
	s := &Server{State: always(good)}
	open(t, s, "127.0.0.1:0", "127.0.0.2:0")
	stop := run(t, s)
	for _, addr := range s.Addrs() {
		c := dial(t, addr)
		c.send(packet(4, 3))
		c.receive()
	}
	stop()
	if got := s.Counters(); got[Answered] != 2 {
		t.Errorf("counters %v", got)
	}
	for v := range s.Counters() {
		if name := Verdict(v).String(); name == "" || strings.Contains(name, "(") {
			t.Errorf("verdict %d has no name", v)
		}
	}
}

// Many requests at once are taken in batches, each answered once.
func TestServerBatches(t *testing.T) {
	s := &Server{State: always(good)}
	c := dial(t, open(t, s))
	const n = 100
	for i := range n { // before anybody reads
		p := packet(4, 3)
		binary.BigEndian.PutUint64(p[40:], uint64(i))
		if i%3 == 0 {
			p[0] = 4<<3 | 6
		}
		c.send(p)
	}
	stop := run(t, s)
	for i := range n {
		if i%3 == 0 {
			continue
		}
		if got := stampAt(c.receive(), 24); got != Stamp(i) {
			t.Fatalf("reply to %d where %d was due", got, i)
		}
	}
	stop()
	if got := s.Counters(); got[Answered] != 66 || got[Control] != 34 {
		t.Errorf("counters %v", got)
	}
}

// Run is over at once under load, and tells a socket that fails.
func TestServerEnds(t *testing.T) {
	s := &Server{State: always(good)}
	addr := open(t, s)
	stop := run(t, s)
	flood, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := dial(t, addr)
	go func() {
		defer close(done)
		for flood.Err() == nil {
			c.Write(packet(4, 3)) // refused once the server is gone
		}
	}()
	c.receive()
	stop()
	cancel()
	<-done

	broken := &Server{State: always(good)}
	addr = open(t, broken)
	ended := make(chan error)
	go func() { ended <- broken.Run(context.Background()) }()
	broken.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("closed under Run: %v", err)
	}
}

func TestDaemon(t *testing.T) {
	state := good
	state.RefTime, state.Since = time.Now().Add(-time.Minute), time.Now()
	var current atomic.Pointer[State]
	s := &Server{State: current.Load}
	addr := open(t, s)
	stop := run(t, s)
	read := func(st State) (State, error) {
		current.Store(&st)
		return Daemon(addr).Read(t.Context())
	}

	got, err := read(state)
	if err != nil || got.Leap != 1 || got.Stratum != 2 || got.RefID != state.RefID || got.RootDelay != state.RootDelay ||
		got.RefTime.Sub(state.RefTime).Abs() > 1 {
		t.Errorf("%+v %v", got, err)
	}
	if more := got.RootDispersion - state.RootDispersion; more < 0 || more > time.Millisecond {
		t.Errorf("dispersion %v more", more)
	}
	wrong := state
	wrong.Offset = time.Second // not the clock of this host
	if got, err := read(wrong); err != nil || got.Synchronised() {
		t.Errorf("another clock: %+v %v", got, err)
	}
	if got, err := read(Unsynchronised()); err != nil || got.Synchronised() {
		t.Errorf("unsynchronised: %+v %v", got, err)
	}
	// One that only refuses is not unsynchronised: it is held like one that is silent.
	if got, err := read(kissing); err == nil || !strings.Contains(err.Error(), "RATE") {
		t.Errorf("kissed: %+v %v", got, err)
	}
	stop()
	if got, err := Daemon(addr).Read(t.Context()); err == nil || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("gone: %+v %v", got, err)
	}
	if got, err := Daemon(netip.MustParseAddrPort("192.0.2.1:123")).Read(t.Context()); err == nil {
		t.Errorf("another host's: %+v", got)
	}
}
