package resolver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// framed packs queries as a TCP client sends them.
func framed(t testing.TB, queries ...[]byte) (out []byte) {
	t.Helper()
	for _, q := range queries {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(q))), q...)
	}
	return out
}

func readFrame(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var size [frameLen]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		t.Fatal(err)
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, msg); err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestPipelined: 1,000 queries in one write come back all, in order.
func TestPipelined(t *testing.T) {
	conn := dial(t, "tcp", serving(t, newSample(t), Config{}, "127.0.0.1:0"))
	var all []byte
	for id := range 1000 {
		q := shapes(t)["A"]
		binary.BigEndian.PutUint16(q, uint16(id))
		all = append(all, framed(t, q)...)
	}
	go conn.Write(all)
	for id := range 1000 {
		if reply := readFrame(t, conn); binary.BigEndian.Uint16(reply) != uint16(id) {
			t.Fatalf("%x, want id %d", reply, id)
		}
	}
}

// TestOctetByOctet: two queries sent in single octets, the second after the
// first's reply; then the client's end is taken for one.
func TestOctetByOctet(t *testing.T) {
	conn := dial(t, "tcp", serving(t, newSample(t), Config{}, "127.0.0.1:0"))
	for range 2 {
		for _, c := range framed(t, shapes(t)["A"]) {
			conn.Write([]byte{c})
		}
		readFrame(t, conn)
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

// TestLongQuery: one of 65,535 octets, with a short one on either side.
func TestLongQuery(t *testing.T) {
	conn := dial(t, "tcp", serving(t, newSample(t), Config{}, "127.0.0.1:0"))
	q := question("pool.example.", dns.TypeA)
	q.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, maxTCP-45)}}
	long, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if len(long) != maxTCP {
		t.Fatal(len(long))
	}
	go conn.Write(framed(t, shapes(t)["A"], long, shapes(t)["A"]))
	for range 3 {
		if reply := readFrame(t, conn); reply[3] != 0 || reply[7] == 0 {
			t.Errorf("%x", reply)
		}
	}
}

// TestStreamEnds: what closes a connection, after what came before it was
// answered.
func TestStreamEnds(t *testing.T) {
	s := serving(t, newSample(t), Config{}, "127.0.0.1:0")
	response := shapes(t)["A"]
	response[2] |= flagQR
	for what, last := range map[string][]byte{
		"a frame of length zero": nil,
		"a response":             response,
		"eleven octets":          make([]byte, 11),
	} {
		conn := dial(t, "tcp", s)
		conn.Write(framed(t, shapes(t)["A"], last))
		readFrame(t, conn)
		if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
}

// TestConnectionLimits: a newcomer is always let in. Over its source's share it
// takes the place of that source's longest idle connection, over the limit of
// all that of the longest idle of all.
func TestConnectionLimits(t *testing.T) {
	s := serving(t, newSample(t), Config{TCP: TCPLimits{Connections: 3, PerSource: 2}}, "127.0.0.1:0")
	ask := func(conn net.Conn) bool {
		time.Sleep(2 * often) // so that it counts as activity
		conn.Write(framed(t, shapes(t)["A"]))
		_, err := conn.Read(make([]byte, 1500))
		return err == nil
	}
	open := func(from string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if !ask(conn) {
			t.Fatalf("a newcomer from %s was turned away", from)
		}
		return conn
	}
	closed := func(which string, conn net.Conn) {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s is still open", which)
		}
	}
	one, two := open("127.0.0.1"), open("127.0.0.1")
	if !ask(one) { // so that two is the one idle for longer
		t.Error("one was closed")
	}
	three := open("127.0.0.1")
	closed("two", two)
	four := open("127.0.0.2")
	five := open("127.0.0.3")
	closed("one", one)
	for which, conn := range []net.Conn{three, four, five} {
		if !ask(conn) {
			t.Errorf("%d of the last three was closed", which)
		}
	}
	if c := s.Counters(); c.Accepted != 5 || c.Evicted != 2 || c.Open != 3 {
		t.Errorf("%+v", c)
	}
	five.Close()
	for s.Counters().Open == 3 {
		time.Sleep(time.Millisecond)
	}
	if open("127.0.0.4"); s.Counters().Evicted != 2 {
		t.Error("the place was not given back")
	}
}

// TestIdleUnderPressure: the time to be idle is whole while half of the places
// are free and a tenth when all are taken, and the lists stay what they are for.
func TestIdleUnderPressure(t *testing.T) {
	c := places{limits: TCPLimits{Connections: 20, PerSource: 20, Idle: 10 * time.Second}}
	now, held := time.Now(), []*place(nil)
	for i := range 20 {
		held = append(held, c.admit(io.NopCloser(nil), netip.IPv6Loopback()))
		want := 10 * time.Second
		if i >= 10 {
			want -= time.Duration(i-9) * 900 * time.Millisecond
		}
		if got := held[i].active(now); got != want {
			t.Errorf("%d open: %v, want %v", i+1, got, want)
		}
	}
	held[0].active(now.Add(2 * often))
	c.admit(io.NopCloser(nil), netip.IPv6Loopback())
	if held[0].at == nil || held[1].at != nil {
		t.Error("not the longest idle one was evicted")
	}
	for _, p := range held { // the evicted one for the second time
		p.leave()
	}
	if _, evicted, open := c.counted(); open != 1 || evicted != 1 || len(c.sources) != 1 {
		t.Error(open, evicted, c.sources)
	}
	if c.close(); c.open.Len() != 0 || len(c.sources) != 0 || c.admit(nil, netip.IPv6Loopback()) != nil {
		t.Error("not closed")
	}
}

func TestSource(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::"} {
		if got := source(netip.MustParseAddr(a)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s", a, got)
		}
	}
}

// piped runs one connection over a pipe, in which time is the test's, and
// returns the client's end and when the server's ended.
func piped(t *testing.T) (s *Server, client net.Conn, ended <-chan time.Time) {
	s = NewServer(Config{})
	s.Publish(newSample(t).Snapshot)
	l := &tcpLoop{server: s, lane: s.cfg.Loops}
	server, client := net.Pipe()
	done := make(chan time.Time)
	go func() {
		place := s.conns.admit(server, netip.IPv6Loopback())
		l.stream(server, place, netip.IPv6Loopback())
		at := time.Now()
		place.leave()
		done <- at
	}()
	return s, client, done
}

// TestIdle: ten seconds without a query end a connection, five do when one has
// begun and octets of it come now and then; each query begins them anew.
func TestIdle(t *testing.T) {
	query := framed(t, shapes(t)["A"])
	synctest.Test(t, func(t *testing.T) {
		_, client, ended := piped(t)
		start := time.Now()
		for range 3 {
			time.Sleep(9 * time.Second)
			client.Write(query)
			readFrame(t, client)
		}
		if took := (<-ended).Sub(start); took != 37*time.Second {
			t.Errorf("silence: closed after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, client, ended := piped(t)
		start := time.Now()
		for _, c := range query {
			if _, err := client.Write([]byte{c}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := (<-ended).Sub(start); took != 5*time.Second {
			t.Errorf("octets now and then: closed after %v", took)
		}
	})
}

// TestSlowReader: who does not take replies for five seconds is cut off.
func TestSlowReader(t *testing.T) {
	query := framed(t, shapes(t)["A"])
	synctest.Test(t, func(t *testing.T) {
		s, client, ended := piped(t)
		start := time.Now()
		client.Write(query)
		if took, c := (<-ended).Sub(start), s.Counters(); took != 5*time.Second || c.Unsent != 1 {
			t.Errorf("closed after %v, %+v", took, c)
		}
	})
}

// script is a connection that reads what is given, in pieces, and keeps what
// is written.
type script struct {
	net.Conn
	pieces [][]byte
	out    bytes.Buffer
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// FuzzTCPFraming: however a stream is cut into pieces, the replies are the same
// octets, whole frames, and no more of them than queries.
func FuzzTCPFraming(f *testing.F) {
	m := newSample(f)
	f.Add(framed(f, shapes(f)["A"], shapes(f)["ECS"], shapes(f)["FORMERR"]), uint16(1))
	f.Add(framed(f, shapes(f)["A"], nil, shapes(f)["A"]), uint16(7))
	f.Add([]byte{0, 1}, uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		ask := func(size int) []byte {
			s := NewServer(Config{Loops: 1})
			s.seeds = []uint64{1, 2}
			s.Publish(m.Snapshot)
			conn := &script{}
			for rest := in; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				conn.pieces = append(conn.pieces, rest[:min(size, len(rest))])
			}
			place := s.conns.admit(conn, netip.IPv6Loopback())
			(&tcpLoop{server: s, lane: 1}).stream(conn, place, netip.IPv6Loopback())
			return conn.out.Bytes()
		}
		whole, cut := ask(max(1, len(in))), ask(int(size)+1)
		if !bytes.Equal(whole, cut) {
			t.Fatalf("in one piece %x\nin pieces    %x", whole, cut)
		}
		replies, queries := frames(whole), frames(in)
		if replies < 0 || replies > max(queries, -queries-1) {
			t.Fatalf("%d replies to %d queries", replies, queries)
		}
	})
}

// frames counts the frames; what is left over makes it −1 − that many.
func frames(b []byte) (n int) {
	for whole(b) {
		b, n = b[frameLen+int(binary.BigEndian.Uint16(b)):], n+1
	}
	if len(b) > 0 {
		return -1 - n
	}
	return n
}
