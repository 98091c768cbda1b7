package resolver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// volley is how many packets are sent without waiting.
const volley = 64

// TestMutants sends 50,000 packets, or as many as TIMEPOOL_MUTANTS says (the gate
// wants a million), made from those of the table by changing some octets, to the
// real process, one in ten over TCP: it stays alive, does not grow, answers no
// response, and no reply is longer than its query allows.
func TestMutants(t *testing.T) {
	packets, warm := 50_000, 0
	if n := os.Getenv("TIMEPOOL_MUTANTS"); n != "" {
		var err error
		if packets, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
	}
	m := newMutants(t)
	for part := range 10 {
		for sent := 0; sent < packets*9/100; sent += volley {
			m.udpVolley()
		}
		if m.tcpVolleys(packets / 100); part == 0 {
			warm = m.memory()
		}
	}
	if grown := m.memory() - warm; grown > 16<<10 {
		t.Errorf("grew by %d KiB", grown)
	}
	if m.replies < packets/4 {
		t.Errorf("only %d replies", m.replies)
	}
	t.Logf("%d replies to %d packets, %d KiB after a tenth of them, %d at the end", m.replies, packets, warm, m.memory())
	m.stop()
}

type mutants struct {
	t        *testing.T
	random   *rand.Rand
	seeds    [][]byte
	sentinel []byte
	addr     string
	udp      net.Conn
	serve    *exec.Cmd
	errs     bytes.Buffer
	replies  int
	queries  [volley][]byte // of the present volley, by id
}

const mutantsNode = `
data: data
registry: pool.yaml
dns: {listen: ["%s"], rate_limit: {off: true}}
http: {off: true}
socket: timepool.sock
`

func newMutants(t *testing.T) *mutants {
	dir := t.TempDir()
	bin := filepath.Join(dir, "timepool")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../cmd/timepool").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	free := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Loops: 1})
	if err := free.Open(); err != nil {
		t.Fatal(err)
	}
	m := &mutants{t: t, random: rand.New(rand.NewPCG(1, 2)), addr: free.Addrs()[0].String()}
	free.Close()
	registry, err := os.ReadFile("../cmd/timepool/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"pool.yaml": string(registry), "timepool.yaml": fmt.Sprintf(mutantsNode, m.addr)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.serve = exec.CommandContext(t.Context(), bin, "serve", "--static", "--config", filepath.Join(dir, "timepool.yaml"))
	m.serve.Stderr = &m.errs
	if err := m.serve.Start(); err != nil {
		t.Fatal(err)
	}
	c := newCoder(t, netip.MustParseAddr("127.0.0.1"))
	for _, p := range packets(t) {
		if q := c.octets(p.query); len(q) < 1000 {
			m.seeds = append(m.seeds, q)
		}
	}
	m.sentinel = c.octets("ffff 0100 0001 0000 0000 0000 pool.example. $A")
	if m.udp, err = net.Dial("udp", m.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.udp.Close() })
	for range 500 { // until it answers
		m.udp.SetDeadline(time.Now().Add(100 * time.Millisecond))
		m.udp.Write(m.sentinel)
		if _, err := m.udp.Read(make([]byte, 1500)); err == nil {
			return m
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("does not answer: %s", m.errs.String())
	return nil
}

// next makes a packet and gives it the id i, so that its reply is known.
func (m *mutants) next(i int) []byte {
	r := m.random
	q := append(m.queries[i][:0], m.seeds[r.IntN(len(m.seeds))]...)
	for range r.IntN(4) {
		switch at := r.IntN(len(q) + 1); r.IntN(5) {
		case 0:
			q = q[:at]
		case 1:
			q = append(q, q[:min(at, 100)]...)
		case 2:
			q = append(q, make([]byte, r.IntN(20))...)
		default:
			if at < len(q) {
				q[at] = byte(r.Uint32()) >> r.IntN(8)
			}
		}
	}
	if len(q) > 1 {
		binary.BigEndian.PutUint16(q, uint16(i))
	}
	m.queries[i] = q
	return q
}

// check holds a reply against its query.
func (m *mutants) check(reply []byte, tcp bool) {
	id := int(binary.BigEndian.Uint16(reply))
	if id >= volley {
		m.t.Fatalf("a reply to nothing: %x", reply)
	}
	q := m.queries[id]
	if len(q) < headerLen || q[2]&flagQR != 0 || reply[2]&flagQR == 0 {
		m.t.Fatalf("%x answers %x", reply, q)
	}
	var parsed query
	parsed.parse(q)
	how := Transport{TCP: tcp}
	if limit := how.limit(&parsed.edns); len(reply) > limit {
		m.t.Fatalf("%d octets, limit %d, for %x", len(reply), limit, q)
	}
	m.replies++
}

// udpVolley sends some packets and what is surely answered, and then that again:
// replies overtake each other within a batch, but no other batch.
func (m *mutants) udpVolley() {
	for i := range volley {
		m.udp.Write(m.next(i))
	}
	m.udp.SetDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 1<<16)
	for range 2 {
		m.udp.Write(m.sentinel)
		for answered := false; !answered; {
			n, err := m.udp.Read(buf)
			if err != nil {
				m.t.Fatalf("no answer any more: %v %s", err, m.errs.String())
			}
			if answered = bytes.HasPrefix(buf[:n], m.sentinel[:2]); !answered {
				m.check(buf[:n], false)
			}
		}
	}
}

// tcpVolleys sends n packets, some on each connection, until one ends it.
func (m *mutants) tcpVolleys(n int) {
	for sent := 0; sent < n; sent += volley {
		conn, err := net.Dial("tcp", m.addr)
		if err != nil {
			m.t.Fatal(err, m.errs.String())
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		var all []byte
		for i := range volley {
			all = append(all, framed(m.t, m.next(i))...)
		}
		conn.Write(append(all, framed(m.t, nil)...))
		replies, _ := io.ReadAll(conn) // which ends by the frame of no length, or before
		conn.Close()
		for whole(replies) {
			end := frameLen + int(binary.BigEndian.Uint16(replies))
			m.check(replies[frameLen:end], true)
			replies = replies[end:]
		}
	}
}

// memory is what the process holds, in KiB.
func (m *mutants) memory() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.serve.Process.Pid))
	if err != nil {
		m.t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		m.t.Fatalf("no VmRSS in %s", status)
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}

// stop ends the process as an operator does; no packet made it panic.
func (m *mutants) stop() {
	m.udpVolley()
	m.serve.Process.Signal(os.Interrupt)
	if err := m.serve.Wait(); err != nil || strings.Contains(m.errs.String(), "panic") {
		m.t.Errorf("%v: %s", err, m.errs.String())
	}
}
