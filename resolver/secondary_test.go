package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// TestSecondaries has Debian's BIND and Knot, set up as deploy/secondary says,
// copy the zone, follow a NOTIFY, and serve what they have.
func TestSecondaries(t *testing.T) {
	for name, c := range map[string]struct {
		binary, example string
		args            []string
		config          string // before the example; directory and port to come
	}{
		"BIND": {"named", "bind.conf", []string{"-g", "-n", "1", "-c"}, `options { directory %[1]q; pid-file none; session-keyfile none; recursion no;
dnssec-validation no; listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; }; }; controls { };
`},
		"Knot": {"knotd", "knot.conf", []string{"-c"}, `server:
  rundir: %[1]s
  listen: 127.0.0.1@%[2]d
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: %[1]s
log:
- target: stderr
  any: info
template:
- id: default
  storage: %[1]s
`},
	} {
		t.Run(name, func(t *testing.T) {
			binary, err := exec.LookPath(c.binary)
			if err != nil {
				t.Skip(c.binary + " is not installed")
			}
			port, key := freePort(t), testKey(t, "hmac-sha256")
			key.name = "standby.example."
			peer := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
			first, _ := besidePool(t, nil)
			server, addr := standing(t, first, &Transfers{Keys: []*Key{key}, Notify: []Secondary{{peer, key}}})
			ours := netip.MustParseAddrPort(addr).Port()

			example, err := os.ReadFile("../deploy/secondary/" + c.example)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			text := strings.NewReplacer("192.0.2.53 key", fmt.Sprintf("127.0.0.1 port %d key", ours), " 198.51.100.53 key standby.example;", "",
				"192.0.2.53@53", fmt.Sprintf("127.0.0.1@%d", ours), "198.51.100.53@53", fmt.Sprintf("127.0.0.1@%d", ours)).Replace(string(example))
			config := filepath.Join(dir, "conf")
			if err := os.WriteFile(config, []byte(fmt.Sprintf(c.config, dir, port)+text), 0o600); err != nil {
				t.Fatal(err)
			}
			d := runDaemon(t, binary, append(c.args, config)...)
			conn := dialReady(t, port, "pool.example.", d)
			sameStatic(t, conn, first)

			second, err := Build(first.ground.registry, first.atlas, first.scores, Options{Serial: 8, Transfers: first.made.Transfers})
			if err != nil {
				t.Fatal(err)
			}
			server.Publish(second) // whose SOA says to look again after four hours
			raw, _ := question("pool.example.", dns.TypeSOA).Pack()
			for end := time.Now().Add(30 * time.Second); askPeer(t, conn, raw).Answer[0].(*dns.SOA).Serial != 8; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("not followed:\n%s", d.text())
				}
			}
			sameStatic(t, conn, second)
		})
	}
}

// sameStatic asks the secondary for all kinds of names.
func sameStatic(t *testing.T, conn net.Conn, s *Snapshot) {
	t.Helper()
	turns := newTurns(s, nil, 1)
	for _, owner := range []string{"pool.example.", "fra.pool.example.", "0.asia.pool.example.", "v4.pool.example.", "_ntp._udp.pool.example.", "a.b.w.pool.example.",
		"gone.pool.example.", "x.lab.pool.example.", "nothing.pool.example."} {
		for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeMX, dns.TypeTXT} {
			raw, _ := question(owner, rrtype).Pack()
			got := askPeer(t, conn, raw)
			want, _ := askSnapshot(t, s, turns, question(owner, rrtype))
			if a, b := text(got.Answer), text(want.Answer); got.Rcode != want.Rcode || !slices.Equal(inOrder(a), inOrder(b)) {
				t.Errorf("%s %s: secondary %v %q, we %v %q", owner, dns.TypeToString[rrtype], got.Rcode, a, want.Rcode, b)
			}
		}
	}
}

// TestNotifyRetries: a secondary that is deaf at first is told again, signed, of
// every zone.
func TestNotifyRetries(t *testing.T) {
	secondary, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer secondary.Close()
	s, _ := besidePool(t, func(r *zones.Registry) { r.Records = nil })
	key := testKey(t, "hmac-sha256")
	standing(t, s, &Transfers{Notify: []Secondary{{secondary.LocalAddr().(*net.UDPAddr).AddrPort(), key}}})
	secondary.SetDeadline(time.Now().Add(60 * time.Second))
	buf := make([]byte, 4096)
	seen := []string{}
	for deaf := true; len(seen) < 3; deaf = false {
		n, from, err := secondary.ReadFrom(buf)
		if err != nil {
			t.Fatal(seen, err)
		}
		var q query
		if !q.parse(buf[:n]) || q.opcode != dns.OpcodeNotify || q.tsig == 0 {
			t.Fatalf("%x", buf[:n])
		}
		if err := dns.TsigVerifyWithProvider(slices.Clone(buf[:n]), key, "", false); err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil || !m.Authoritative || m.Answer[0].(*dns.SOA).Serial != 7 {
			t.Fatalf("%v %v", err, m)
		}
		if seen = append(seen, m.Question[0].Name); deaf {
			continue
		}
		reply, _ := new(dns.Msg).SetReply(m).Pack()
		secondary.WriteTo(reply, from)
	}
	if !slices.Equal(seen, []string{"pool.example.", "pool.example.", "ntp.corp.example."}) {
		t.Errorf("%q", seen)
	}
}
