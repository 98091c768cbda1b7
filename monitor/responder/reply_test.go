package responder

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const cookie = 0x1122334455667788

var (
	home     = netip.MustParseAddrPort("192.0.2.7:40000")
	from123  = netip.MustParseAddrPort("192.0.2.7:123")
	instant  = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	good     = State{Leap: 1, Stratum: 2, Precision: -24, RefID: 0x7f000001, RefTime: instant.Add(-10 * time.Second), RootDelay: 250 * time.Millisecond, RootDispersion: 500 * time.Millisecond, Since: instant}
	received = StampOf(instant)
	transmit = StampOf(instant.Add(250 * time.Millisecond))
)

// packet is a request of 48 octets and what is hung on to it.
func packet(version, mode byte, more ...byte) []byte {
	p := make([]byte, headerLen, headerLen+len(more))
	p[0] = 3<<6 | version<<3 | mode // clients that do not know the time set leap 3
	p[2] = 7
	binary.BigEndian.PutUint64(p[40:], cookie)
	return append(p, more...)
}

// field is an extension field that claims to be as long as given.
func field(claimed, length int) []byte {
	f := make([]byte, length)
	f[0], f[1] = 0x20, 0x01
	binary.BigEndian.PutUint16(f[2:], uint16(claimed))
	return f
}

// replyTo is what a server without limits and memory does with a request.
func replyTo(dst, request []byte, received, transmit Stamp, client netip.AddrPort, state *State) ([]byte, Verdict) {
	v := accept(request, client.Port())
	if !v.Replied() {
		return nil, v
	}
	return fill(dst, request, received, transmit, 0, state), v
}

type conversation struct {
	name   string
	packet []byte
	port   uint16
	want   Verdict
	mode   byte // of the reply
}

// conversations is every kind of packet that may arrive.
func conversations() []conversation {
	var all []conversation
	add := func(name string, p []byte, port uint16, want Verdict, mode byte) {
		all = append(all, conversation{name, p, port, want, mode})
	}
	const a, p, m, l, f = Answered, Passive, BadMode, BadVersion, BadField
	// Rows are versions 0–7, columns modes 0–7.
	table := [8][8]Verdict{
		{l, l, l, l, l, l, Control, Private},
		{a, p, m, a, m, m, Control, Private},
		{m, p, m, a, m, m, Control, Private},
		{m, p, m, a, m, m, Control, Private},
		{m, p, m, a, m, m, Control, Private},
		{l, l, l, l, l, l, Control, Private},
		{l, l, l, l, l, l, Control, Private},
		{l, l, l, l, l, l, Control, Private},
	}
	for version, row := range table {
		for mode, want := range row {
			reply := byte(4)
			if want == Passive {
				reply = 2
			}
			add(fmt.Sprintf("version %d mode %d", version, mode), packet(byte(version), byte(mode)), 40000, want, reply)
		}
	}
	add("version 1 mode 0 from port 123", packet(1, 0), 123, BadMode, 0)
	add("version 1 mode 3 from port 123", packet(1, 3), 123, Answered, 4)
	add("version 4 mode 3 from port 123", packet(4, 3), 123, Answered, 4)
	add("empty", nil, 40000, BadLength, 0)
	for n := 1; n <= 100; n++ {
		if n == 48 {
			continue
		}
		// All zeros after the header: a field of length 0, or a MAC.
		zeros := append(packet(4, 3), make([]byte, 52)...)[:n]
		want := BadLength
		if n > 48 && n%4 == 0 {
			want = BadField
			if n == 52 || n == 68 || n == 72 {
				want = MAC
			}
		}
		add(fmt.Sprintf("length %d", n), zeros, 40000, want, 0)
		if n > 48 && n%4 == 0 {
			add(fmt.Sprintf("version 3 length %d", n), append(packet(3, 3), make([]byte, n-48)...), 40000, MAC, 0)
		}
	}
	rv := make([]byte, 12)
	rv[0], rv[1] = 2<<3|6, 2
	add("readvar", rv, 40000, Control, 0)
	monlist := make([]byte, 48)
	monlist[0], monlist[2], monlist[3] = 2<<3|7, 3, 42
	add("monlist", monlist, 40000, Private, 0)
	add("monlist of 8 octets", monlist[:8], 40000, Private, 0)

	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	v4 := packet(4, 3)
	add("field 28", join(v4, field(28, 28)), 40000, Answered, 4)
	add("field 32", join(v4, field(32, 32)), 40000, Answered, 4)
	add("field 32, mode 1", join(packet(4, 1), field(32, 32)), 40000, Passive, 2)
	add("fields 16 and 28", join(v4, field(16, 16), field(28, 28)), 40000, Answered, 4)
	add("field of the greatest length", join(v4, field(1232, 1232)), 40000, Answered, 4)
	add("field too long for us", join(v4, field(1236, 1236)), 40000, BadLength, 0)
	add("field 16 alone", join(v4, field(16, 16)), 40000, f, 0)
	add("fields 28 and 16", join(v4, field(28, 28), field(16, 16)), 40000, f, 0)
	add("field 12 of 32", join(v4, field(12, 32)), 40000, f, 0)
	add("field 0 of 32", join(v4, field(0, 32)), 40000, f, 0)
	add("field 30 of 32", join(v4, field(30, 32)), 40000, f, 0)
	add("field 36 of 32", join(v4, field(36, 32)), 40000, f, 0)
	add("field 65532 of 32", join(v4, field(65532, 32)), 40000, f, 0)
	add("field 24 of 32, 8 left", join(v4, field(24, 32)), 40000, f, 0)
	add("field 32 in version 3", join(packet(3, 3), field(32, 32)), 40000, MAC, 0)
	add("MAC MD5", join(v4, make([]byte, 20)), 40000, MAC, 0)
	add("MAC SHA-1", join(v4, make([]byte, 24)), 40000, MAC, 0)
	add("field 16 and MAC", join(v4, field(16, 16), make([]byte, 20)), 40000, MAC, 0)
	add("crypto-NAK", join(v4, make([]byte, 4)), 40000, MAC, 0)
	add("MS-SNTP", join(packet(3, 3), make([]byte, 20)), 40000, MAC, 0)
	return all
}

// golden is the reply to a conversation with good, received and transmit,
// octet by octet from RFC 5905 figure 8.
func golden(t testing.TB, c conversation) []byte {
	// leap 1; stratum 2, poll 7, precision −24; delay ¼ s, dispersion ½ s and
	// 15 ppm of ¼ s rounded up; 127.0.0.1; 10 s before; cookie; rx; tx = rx + ¼ s.
	p, err := hex.DecodeString("00" + "0207e8" + "00004000" + "00008001" + "7f000001" +
		"ed4ea8b680000000" + "1122334455667788" + "ed4ea8c080000000" + "ed4ea8c0c0000000")
	if err != nil {
		t.Fatal(err)
	}
	p[0] = 1<<6 | c.packet[0]&0x38 | c.mode
	return p
}

func TestReplyConformance(t *testing.T) {
	for _, c := range conversations() {
		client := netip.AddrPortFrom(home.Addr(), c.port)
		before := bytes.Clone(c.packet)
		reply, v := replyTo(nil, c.packet, received, transmit, client, &good)
		if v != c.want {
			t.Errorf("%s: verdict %v, want %v", c.name, v, c.want)
		}
		if !bytes.Equal(before, c.packet) {
			t.Errorf("%s: the request was changed", c.name)
		}
		switch {
		case !c.want.Replied():
			if reply != nil {
				t.Errorf("%s: % x, want silence", c.name, reply)
			}
		case !bytes.Equal(reply, golden(t, c)):
			t.Errorf("%s:\n got %x\nwant %x", c.name, reply, golden(t, c))
		}
	}
}

// An unsynchronised clock goes out with leap 3, stratum 0 and no letters that
// could be a kiss code, whatever else the State says.
func TestReplyUnsynchronised(t *testing.T) {
	unsynchronised := Unsynchronised()
	unsynchronised.Precision = -24
	states := map[string]State{
		"Unsynchronised": unsynchronised,
		"zero":           {Precision: -24},
		"leap 3":         {Leap: 3, Stratum: 2, Precision: -24, RefID: 'D'<<24 | 'E'<<16 | 'N'<<8 | 'Y', RefTime: instant},
		"stratum 16":     {Stratum: 16, Precision: -24, RefID: 'R'<<24 | 'S'<<16 | 'T'<<8 | 'R', RefTime: instant},
		"stratum 255":    {Stratum: 255, Precision: -24},
	}
	want, _ := hex.DecodeString("e40007e8" + "00000000" + "00100000" + "00000000" + "0000000000000000" +
		"1122334455667788" + "ed4ea8c080000000" + "ed4ea8c0c0000000")
	for name, s := range states {
		if got, _ := replyTo(nil, packet(4, 3), received, transmit, home, &s); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
}

func TestReplyOffset(t *testing.T) {
	s := good
	s.Offset = -300 * time.Millisecond
	got, _ := replyTo(nil, packet(4, 3), received, transmit, home, &s)
	for at, want := range map[int]Stamp{16: StampOf(good.RefTime), 32: received, 40: transmit} {
		if d := Stamp(binary.BigEndian.Uint64(got[at:])).Sub(want); (d - s.Offset).Abs() > 1 {
			t.Errorf("stamp at %d is off by %v, want %v", at, d, s.Offset)
		}
	}
	if got[11] != 1 || got[10] != 0x80 {
		t.Errorf("the offset changed the dispersion: %x", got[8:12])
	}
}

// A clock that was stepped backwards never shows an order of stamps that
// clients take for a broken server.
func TestReplyOrder(t *testing.T) {
	s := good
	s.RefTime = instant.Add(time.Hour)
	got, _ := replyTo(nil, packet(4, 3), transmit+1<<33, transmit, home, &s)
	for _, at := range []int{16, 32} {
		if x := Stamp(binary.BigEndian.Uint64(got[at:])); x != transmit {
			t.Errorf("stamp at %d is %x, want %x", at, x, transmit)
		}
	}
}

// The same exchange over the roll-over of 2036 has the same differences.
func TestReplyOverEras(t *testing.T) {
	era1 := time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)
	for _, at := range []time.Time{era1.Add(-time.Millisecond), era1, era1.Add(40 * 365 * 24 * time.Hour)} {
		s := good
		s.RefTime, s.Since = at.Add(-time.Minute), at.Add(-100*time.Second)
		got, _ := replyTo(nil, packet(4, 3), StampOf(at), StampOf(at.Add(2*time.Millisecond)), home, &s)
		ref, rx, tx := Stamp(binary.BigEndian.Uint64(got[16:])), Stamp(binary.BigEndian.Uint64(got[32:])), Stamp(binary.BigEndian.Uint64(got[40:]))
		if d := tx.Sub(rx) - 2*time.Millisecond; d.Abs() > 1 {
			t.Errorf("%v: processing time off by %v", at, d)
		}
		if d := rx.Sub(ref) - time.Minute; d.Abs() > 1 {
			t.Errorf("%v: reference time off by %v", at, d)
		}
		if d := rx.Time(at.Add(24 * time.Hour)).Sub(at); d.Abs() > 1 {
			t.Errorf("%v: read back %v later", at, d)
		}
		// ½ s + 15 ppm · 100 s = 0.5015 s; 0.5015 · 2¹⁶ = 32866.3
		if d := binary.BigEndian.Uint32(got[8:]); d != 32867 {
			t.Errorf("%v: dispersion %d, want 32867", at, d)
		}
	}
}

func TestReplyNeverLonger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := rapid.SliceOfN(rapid.Byte(), 0, 1400).Draw(t, "request")
		if len(request) > 0 && rapid.Bool().Draw(t, "plausible") {
			request[0] = rapid.SampledFrom([]byte{0x23, 0x1b, 0x0b, 0x08, 0x21}).Draw(t, "first")
			request = request[:len(request)&^3]
		}
		checkReply(t, request, rapid.Uint16().Draw(t, "port"))
	})
}

type failer interface{ Fatalf(string, ...any) }

// checkReply holds what is true of every reply.
func checkReply(t failer, request []byte, port uint16) {
	client := netip.AddrPortFrom(home.Addr(), port)
	prefix := []byte("kept")
	out, v := replyTo(prefix, request, received, transmit, client, &good)
	if v >= verdicts {
		t.Fatalf("no such verdict: %d", v)
	}
	if !v.Replied() {
		if out != nil {
			t.Fatalf("%v, but a reply: % x", v, out)
		}
		return
	}
	if !bytes.HasPrefix(out, prefix) {
		t.Fatalf("not appended: % x", out)
	}
	reply := out[len(prefix):]
	switch mode := reply[0] & 7; {
	case len(reply) != headerLen || len(reply) > len(request):
		t.Fatalf("%d octets to a request of %d", len(reply), len(request))
	case v == Answered && mode != 4 || v == Passive && mode != 2 || v == Kissed || v == Limited:
		t.Fatalf("%v with mode %d", v, mode)
	case reply[0]&0x38 != request[0]&0x38:
		t.Fatalf("version %d to version %d", reply[0]>>3&7, request[0]>>3&7)
	case reply[2] != request[2] || !bytes.Equal(reply[24:32], request[40:48]):
		t.Fatalf("poll or origin not echoed: % x to % x", reply, request)
	}
	if _, again := replyTo(nil, reply, received, transmit, from123, &good); again.Replied() {
		t.Fatalf("a reply is itself answered: % x", reply)
	}
	// In place, as the socket loop does it.
	if inPlace, _ := replyTo(request[:0], request, received, transmit, client, &good); !bytes.Equal(inPlace, reply) {
		t.Fatalf("in place % x, else % x", inPlace, reply)
	}
}

func FuzzReply(f *testing.F) {
	for _, c := range conversations() {
		f.Add(c.packet, c.port)
	}
	f.Fuzz(func(t *testing.T, request []byte, port uint16) { checkReply(t, bytes.Clone(request), port) })
}

func TestReplyAllocatesNothing(t *testing.T) {
	request, dst := packet(4, 3), make([]byte, 0, headerLen)
	if n := testing.AllocsPerRun(1000, func() { replyTo(dst, request, received, transmit, home, &good) }); n != 0 {
		t.Errorf("%v allocations a reply", n)
	}
}

func BenchmarkReply(b *testing.B) {
	request, dst := packet(4, 3), make([]byte, 0, headerLen)
	for b.Loop() {
		replyTo(dst, request, received, transmit, home, &good)
	}
}
