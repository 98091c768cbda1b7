package resolver

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestCookiePeers: for the same secret, client and second, BIND and Knot make
// the very cookies that we make, and we take theirs.
func TestCookiePeers(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	secret := wireSecrets[0]
	for daemon, conf := range map[string]string{
		"named": `options { directory "%[1]s"; pid-file none; session-keyfile none; listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 port %[2]d { ::1; };
			recursion no; dnssec-validation no; cookie-algorithm siphash24; cookie-secret "%[3]s"; };
			controls {};
			zone "pool.example" { type primary; file "pool.example"; };`,
		"knotd": "server:\n  rundir: %[1]s\n  listen: [127.0.0.1@%[2]d, ::1@%[2]d]\nlog:\n- target: stderr\n  any: warning\ndatabase:\n  storage: %[1]s\n" +
			"mod-cookies:\n- id: c\n  secret: 0x%[3]s\ntemplate:\n- id: default\n  storage: %[1]s\n  file: pool.example\n  global-module: mod-cookies/c\n" +
			"zone:\n- domain: pool.example\n",
	} {
		t.Run(daemon, func(t *testing.T) {
			if _, err := exec.LookPath(daemon); err != nil {
				t.Skipf("needs %s, which is not installed", daemon)
			}
			m := newSample(t)
			dir, port := t.TempDir(), freePort(t)
			path := filepath.Join(dir, "conf")
			for file, text := range map[string]string{path: fmt.Sprintf(conf, dir, port, hex.EncodeToString(secret[:])), filepath.Join(dir, "pool.example"): peerZones(t, m)["pool.example"]} {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"-c", path}
			if daemon == "named" {
				args = append(args, "-g")
			}
			runDaemon(t, daemon, args...)
			untilAnswers(t, fmt.Sprint("127.0.0.1:", port))
			for _, host := range []string{"127.0.0.1", "::1"} {
				client := netip.MustParseAddr(host)
				q := question("ns1.pool.example.", dns.TypeA)
				q.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "2464c4abcf10c957"}}
				theirs := cookieIn(t, exchange(t, "udp", netip.AddrPortFrom(client, uint16(port)).String(), q))
				made := time.Unix(int64(binary.BigEndian.Uint32(theirs[cookieTime:])), 0)
				raw, _ := q.Pack()
				reply, _ := m.Answer(nil, raw, client, Transport{Now: made}, m.turns)
				var ours dns.Msg
				if err := ours.Unpack(reply); err != nil {
					t.Fatal(err)
				}
				if got := cookieIn(t, &ours); string(got) != string(theirs) {
					t.Errorf("%s: got %x, they make %x", host, got, theirs)
				}
				var c cookie
				c.parse(theirs)
				if c.settle(m.made.Cookies, client, time.Now()); !c.good {
					t.Errorf("%s: %x is not taken", host, theirs)
				}
			}
		})
	}
}

// cookieIn returns the 24 octets of a reply's cookie.
func cookieIn(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	for _, o := range m.IsEdns0().Option {
		if c, ok := o.(*dns.EDNS0_COOKIE); ok {
			if raw, err := hex.DecodeString(c.Cookie); err == nil && len(raw) == cookieLen {
				return raw
			}
		}
	}
	t.Fatalf("no cookie of 24 octets:\n%v", m)
	return nil
}
