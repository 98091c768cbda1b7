package resolver

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dchest/siphash"
)

// packet is one entry of testdata/wire: octets that come in, the whole reply,
// and the one counter that moves.
//
//   - what it is
//     > the query
//     < the reply; no line: none
//     <tcp the reply over TCP, where it is another
//     = the verdict that is counted
//     =tcp the same over TCP
//     ~knot HOW | why        what another server says instead, and why; over TCP alone
//     ~knot/tcp HOW | why    with "or" where it does not know itself, "ours" for what we say
//
// The octets are written in words: hex digits; 3*ab for ababab; "text"; a name
// with its last dot; h:FLAGS:1:2:3:4 for a header with these counts; { … } for
// what comes with its length in two octets; soa:11 for the negative SOA whose
// owner is a pointer to octet 0x11; free:9 where the next nine octets may be others; cookie:60 for the server's part of a cookie made 60 s ago; $word for what
// words.txt says. Other lines are for people.
type packet struct {
	where, what, query string
	reply              [2]string // over UDP, over TCP
	verdict            [2]string
	peers              map[string]string // by name: "HOW | why"
}

// The server of the table. The staging secret is the second.
var (
	wireSecrets  = []Secret{{0xe5, 0xe9, 15: 1}, {0x44, 0x55, 15: 2}}
	wireIdentity = Options{Serial: 7, Seed: 1, Identity: "ns1.fra", Software: "timepool 1.2.3", Cookies: wireSecrets}
)

// packets reads testdata/wire.
func packets(t testing.TB) (all []*packet) {
	t.Helper()
	files, err := filepath.Glob("testdata/wire/[0-9]-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no packets", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p *packet
		for i, line := range strings.Split(string(content), "\n") {
			mark, rest, _ := strings.Cut(line+" ", " ")
			rest = strings.TrimSpace(rest)
			switch {
			case mark == "*":
				p = &packet{where: fmt.Sprintf("%s:%d", filepath.Base(file), i+1), what: rest, peers: map[string]string{}}
				all = append(all, p)
			case mark == ">":
				p.query = rest
			case mark == "<":
				p.reply = [2]string{rest, rest}
			case mark == "<tcp":
				p.reply[1] = rest
			case mark == "=":
				p.verdict = [2]string{rest, rest}
			case mark == "=tcp":
				p.verdict[1] = rest
			case strings.HasPrefix(mark, "~"):
				p.peers[mark[1:]] = rest
			}
		}
	}
	return all
}

// coder turns words into octets, and back into an account of what differs.
type coder struct {
	t      testing.TB
	words  map[string]string
	client netip.Addr
	now    time.Time
	free   [][2]int // from, to: octets that are not compared
	fresh  int      // where a server cookie made just now stands; 0: nowhere
}

func newCoder(t testing.TB, client netip.Addr) *coder {
	t.Helper()
	content, err := os.ReadFile("testdata/wire/words.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := &coder{t: t, words: map[string]string{}, client: client, now: time.Now()}
	for line := range strings.Lines(string(content)) {
		word, means, _ := strings.Cut(strings.TrimSpace(line), " ")
		c.words[word] = means
	}
	return c
}

var wireWord = regexp.MustCompile(`"[^"]*"|\{\}|[^\s]+`)

// octets returns what the words say.
func (c *coder) octets(words string) []byte {
	c.free, c.fresh = nil, 0
	return c.append(nil, words)
}

func (c *coder) append(out []byte, words string) []byte {
	var open []int
	for _, w := range wireWord.FindAllString(words, -1) {
		kind, arg, _ := strings.Cut(w, ":")
		count, repeated, times := strings.Cut(w, "*")
		n, err := strconv.Atoi(count)
		switch {
		case w == "{}":
			out = append(out, 0, 0)
		case w == "{":
			open = append(open, len(out))
			out = append(out, 0, 0)
		case w == "}":
			at := open[len(open)-1]
			open = open[:len(open)-1]
			binary.BigEndian.PutUint16(out[at:], uint16(len(out)-at-2))
		case w[0] == '"':
			out = append(out, w[1:len(w)-1]...)
		case w[0] == '$':
			if c.words[w] == "" {
				c.t.Fatalf("word %s", w)
			}
			out = c.append(out, c.words[w])
		case kind == "h":
			f := strings.Split(arg, ":")
			out = append(append(out, 0x12, 0x34), c.hex(f[0])...)
			for _, count := range f[1:] {
				n, _ := strconv.Atoi(count)
				out = binary.BigEndian.AppendUint16(out, uint16(n))
			}
		case kind == "soa":
			out = c.append(out, fmt.Sprintf("c0%s 0006 0001 0000001e { 03 \"ns1\" c0%s $mbox $nums }", arg, arg))
		case kind == "free":
			n, _ := strconv.Atoi(arg)
			c.free = append(c.free, [2]int{len(out), len(out) + n})
		case kind == "cookie":
			out = c.cookie(out, arg)
		case times && err == nil:
			out = append(out, bytes.Repeat(c.hex(repeated), n)...)
		case strings.HasSuffix(w, "."):
			for label := range strings.SplitSeq(strings.TrimSuffix(w, "."), ".") {
				if label != "" {
					out = append(append(out, byte(len(label))), label...)
				}
			}
			out = append(out, 0)
		default:
			out = append(out, c.hex(w)...)
		}
	}
	return out
}

func (c *coder) hex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		c.t.Fatalf("word %q: %v", s, err)
	}
	return b
}

// cookie appends the server's part to the client's, that stands before it.
func (c *coder) cookie(out []byte, how string) []byte {
	age, err := strconv.Atoi(how)
	switch how {
	case "new":
		c.fresh = len(out)
	case "staging":
		return appendServerCookie(out, wireSecrets[1], c.client, c.now)
	default:
		if err != nil {
			c.t.Fatalf("cookie:%s", how)
		}
	}
	return appendServerCookie(out, wireSecrets[0], c.client, c.now.Add(time.Duration(-age)*time.Second))
}

// appendServerCookie is RFC 9018 section 4 once more, on its own.
func appendServerCookie(out []byte, s Secret, client netip.Addr, made time.Time) []byte {
	out = append(out, 1, 0, 0, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(made.Unix()))
	hash := siphash.New(s[:])
	hash.Write(out[len(out)-16:])
	hash.Write(client.AsSlice())
	return binary.LittleEndian.AppendUint64(out, hash.Sum64())
}

// compare tells how got differs from what the words want; "" for not at all.
// A cookie may have been made in a later second than this began.
func (c *coder) compare(got []byte, words string) string {
	want := c.octets(words)
	if at := c.fresh; at > 0 && len(got) >= at+16 {
		made := time.Unix(int64(binary.BigEndian.Uint32(got[at+4:])), 0)
		if late := made.Sub(c.now); late > -2*time.Second && late < time.Minute {
			copy(want[at:], appendServerCookie(slices.Clone(want[:at]), wireSecrets[0], c.client, made)[at:])
		}
	}
	for _, f := range c.free {
		if len(got) >= f[1] {
			copy(want[f[0]:f[1]], got[f[0]:])
		}
	}
	if bytes.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("\n got %x\nwant %x", got, want)
}

// TestWire runs the table through Answer: from the transport's two kinds of
// client, and appended to what is in dst already.
func TestWire(t *testing.T) {
	m := newSample(t)
	for _, p := range packets(t) {
		t.Run(p.where, func(t *testing.T) {
			for tcp, how := range []Transport{{}, {TCP: true, Idle: 10 * time.Second}} {
				for _, client := range []string{"203.0.113.9", "2001:db8::9", "::ffff:203.0.113.9"} {
					c := newCoder(t, netip.MustParseAddr(client).Unmap())
					how.Now = c.now
					query := c.octets(p.query)
					if tcp == 0 && len(query) > maxQuery {
						continue // the socket's loop drops it
					}
					reply, verdict := m.Answer([]byte("abc"), query, netip.MustParseAddr(client), how, m.turns)
					if !bytes.HasPrefix(reply, []byte("abc")) || verdict.String() != p.verdict[tcp] {
						t.Errorf("%s, %s, TCP %t: %v", p.what, client, how.TCP, verdict)
					}
					if wrong := c.compare(reply[3:], p.reply[tcp]); wrong != "" {
						t.Errorf("%s, %s, TCP %t: %s", p.what, client, how.TCP, wrong)
					}
				}
			}
		})
	}
}

// TestWireOtherwise: a server that says nothing of itself, one that hides it,
// and one whose zone has a report channel.
func TestWireOtherwise(t *testing.T) {
	mute, hidden := Options{Serial: 7, Seed: 1}, wireIdentity
	hidden.Hide = true
	for _, p := range []struct {
		o                                  Options
		agent, what, query, reply, verdict string
	}{
		{mute, "", "cookies are options that nobody knows", "h:0000:1:0:0:1 ns1.pool.example. $A $opt { 000a { $client } }", "h:8400:1:1:0:1 ns1.pool.example. $A $ns1 $ours {}", "answered"},
		{mute, "", "so a cookie without a question is no question", "h:0000:0:0:0:1 $opt { 000a { $client } }", "h:8001:0:0:0:1 $ours {}", "formerr"},
		{mute, "", "but have a length", "h:0000:1:0:0:1 ns1.pool.example. $A $opt { 000a { 00 } }", "h:8001:1:0:0:1 ns1.pool.example. $A $ours {}", "formerr"},
		{mute, "", "no NSID", "h:0000:1:0:0:1 ns1.pool.example. $A $opt { 0003 {} }", "h:8400:1:1:0:1 ns1.pool.example. $A $ns1 $ours {}", "answered"},
		{mute, "", "no id.server", "h:0000:1:0:0:1 id.server. 0010 0003 $opt {}", "h:8005:1:0:0:1 id.server. 0010 0003 $ours { $ede20 }", "refused"},
		{hidden, "", "id.server, hidden", "h:0000:1:0:0:1 id.server. 0010 0003 $opt {}", `h:8005:1:0:0:1 id.server. 0010 0003 $ours { 000f { 0012 "not told here" } }`, "refused"},
		{hidden, "", "NSID is told all the same", "h:0000:1:0:0:1 ns1.pool.example. $A $opt { 0003 {} }", "h:8400:1:1:0:1 ns1.pool.example. $A $ns1 $ours { $nsid }", "answered"},
		{mute, "Agent.Example", "a report channel", "h:0000:1:0:0:1 ns1.pool.example. $A $opt {}", "h:8400:1:1:0:1 ns1.pool.example. $A $ns1 $ours { 0012 { agent.example. } }", "answered"},
		{mute, "agent.example", "a report channel of what is not there", "h:0000:1:0:0:1 gone.pool.example. $A $opt {}", "h:8403:1:0:1:1 gone.pool.example. $A soa:11 $ours { 0012 { agent.example. } }", "nxdomain"},
		{mute, "agent.example", "a report channel without EDNS", "h:0000:1:0:0:0 ns1.pool.example. $A", "h:8400:1:1:0:0 ns1.pool.example. $A $ns1", "answered"},
		{mute, "agent.example", "a report channel outside the zones", "h:0000:1:0:0:1 example.org. $A $opt {}", "h:8005:1:0:0:1 example.org. $A $ours { $ede20 }", "refused"},
	} {
		m, c := sampleWith(t, p.o, p.agent), newCoder(t, netip.MustParseAddr("203.0.113.9"))
		reply, verdict := m.Answer(nil, c.octets(p.query), c.client, Transport{Now: c.now}, m.turns)
		if wrong := c.compare(reply, p.reply); wrong != "" || verdict.String() != p.verdict {
			t.Errorf("%s: %v %s", p.what, verdict, wrong)
		}
	}
}

// TestWireSockets runs the table over real sockets, IPv4 and IPv6, UDP and TCP:
// the same octets, and one counter moved, once.
func TestWireSockets(t *testing.T) {
	all := packets(t)
	bothLoops(t, func(t *testing.T, single bool) {
		s := serving(t, newSample(t), Config{Loops: 1, single: single}, "127.0.0.1:0", "[::1]:0")
		for _, addr := range s.Addrs() {
			c := newCoder(t, addr.Addr())
			sentinel := c.octets("4321 0100 0001 0000 0000 0000 ns1.pool.example. $A")
			for tcp, network := range []string{"udp", "tcp"} {
				for _, p := range all {
					before := s.Counters()
					query := c.octets(p.query)
					got := askRaw(t, network, addr.String(), query, sentinel)
					if wrong := c.compare(got, p.reply[tcp]); wrong != "" {
						t.Errorf("%s %s, %s %s: %s", p.where, p.what, network, addr, wrong)
					}
					after := s.Counters()
					moved := movement(before.UDP, after.UDP) + movement(before.TCP, after.TCP)
					want := p.verdict[tcp]
					if network == "udp" {
						want += " answered answered" // the sentinel, twice
					}
					if moved != sorted(want) {
						t.Errorf("%s %s, %s %s: counted %s", p.where, p.what, network, addr, moved)
					}
				}
			}
		}
	})
}

// movement names the verdicts that were counted in between, in order of name.
func movement(before, after [Verdicts]uint64) string {
	var names []string
	for v := range after {
		for range after[v] - before[v] {
			names = append(names, Verdict(v).String())
		}
	}
	return sorted(strings.Join(names, " "))
}

func sorted(words string) string {
	f := strings.Fields(words)
	slices.Sort(f)
	if len(f) == 0 {
		return ""
	}
	return strings.Join(f, " ") + " "
}

// askRaw returns the reply to octets over a socket, nil for none: over UDP when
// the sentinel, sent after it, is answered twice (replies of one batch overtake each
// other, the second is sent in a later one); over TCP when the connection is closed.
func askRaw(t testing.TB, network, addr string, query, sentinel []byte) []byte {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if network == "tcp" {
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
			t.Fatal(err)
		}
		return wholeFrame(t, conn)
	}
	conn.Write(query)
	conn.Write(sentinel)
	var got []byte
	for buf, answered := make([]byte, 64<<10), 0; ; {
		n, err := conn.Read(buf)
		switch {
		case err != nil:
			t.Fatal(err)
		case !bytes.HasPrefix(buf, sentinel[:2]):
			got = slices.Clone(buf[:n])
		case answered > 0:
			return got
		default:
			answered++
			conn.Write(sentinel)
		}
	}
}

func wholeFrame(t testing.TB, conn net.Conn) []byte {
	t.Helper()
	var length [2]byte
	if n, err := io.ReadFull(conn, length[:]); n == 0 && err != nil {
		return nil
	}
	frame := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, frame); err != nil {
		t.Fatal(err)
	}
	return frame
}
