package resolver

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// anyStatic draws a registry of a zone in which next to everything stands
// beside the pool: few labels, so that wildcards, CNAMEs and delegations meet.
func anyStatic(r *rand.Rand, apex string) *zones.Registry {
	reg := &zones.Registry{
		Zone: zones.Zone{
			Name: apex, Contact: "hostmaster@" + apex, TTL: time.Minute, NegativeTTL: 30 * time.Second, Answers: 1, Floor: 1,
			Nameservers: []zones.Nameserver{{Name: "ns1." + apex, Addresses: addrs("192.0.2.53", "2001:db8::53")}, {Name: "ns.other.net"}},
		},
		Pools:   []zones.Pool{{TTL: time.Minute, Answers: 1, Floor: 1}},
		Members: []zones.Member{{Name: "m", Addresses: addrs("10.0.0.1"), Netspeed: 1}},
	}
	name := func() string {
		s := ""
		for range 1 + r.IntN(3) {
			s = fmt.Sprintf("x%d.%s", r.IntN(3), s)
		}
		return strings.TrimSuffix(s, ".")
	}
	target := func() string {
		if r.IntN(5) == 0 {
			return name() + ".other.net"
		}
		return name() + "." + apex
	}
	inside := func(s, up string) bool { return s == up || strings.HasSuffix(s, "."+up) }
	for range r.IntN(4) {
		d := zones.Delegation{Name: name(), TTL: 2 * time.Minute}
		if slices.ContainsFunc(reg.Delegations, func(o zones.Delegation) bool { return inside(d.Name, o.Name) || inside(o.Name, d.Name) }) {
			continue
		}
		servers := map[string]zones.Nameserver{}
		for i := range 1 + r.IntN(3) {
			n := zones.Nameserver{Name: target()}
			if r.IntN(2) == 0 {
				n.Name = fmt.Sprintf("ns%d.%s.%s", i, d.Name, apex)
			}
			if inside(n.Name, d.Name+"."+apex) {
				n.Addresses = addrs(fmt.Sprintf("192.0.2.%d", r.IntN(250)), "2001:db8::1")[:1+r.IntN(2)]
			}
			servers[n.Name] = n
		}
		for _, n := range servers {
			d.Nameservers = append(d.Nameservers, n)
		}
		if r.IntN(2) == 0 {
			d.DS = []zones.DS{zones.DS(fmt.Sprintf("%d 13 1 %040x", r.IntN(65536), r.Uint64()))}
		}
		reg.Delegations = append(reg.Delegations, d)
	}
	taken := map[string]bool{}
	for range r.IntN(25) {
		rec := zones.Record{Name: name(), TTL: time.Duration(1+r.IntN(5)) * time.Minute}
		if r.IntN(3) == 0 {
			rec.Name = "*." + rec.Name
		}
		if taken[rec.Name] || slices.ContainsFunc(reg.Delegations, func(d zones.Delegation) bool { return inside(rec.Name, d.Name) }) {
			continue
		}
		taken[rec.Name] = true
		if r.IntN(3) == 0 {
			rec.CNAME = target()
		} else {
			if r.IntN(2) == 0 {
				rec.Addresses = addrs("192.0.2.1", "2001:db8::9", "192.0.2.2")[:1+r.IntN(3)]
			}
			if r.IntN(2) == 0 {
				rec.MX = []zones.MX{{Preference: 5, Host: target()}, {Preference: 9, Host: target()}}
			}
			if r.IntN(2) == 0 {
				rec.SRV = []zones.SRV{{Priority: 1, Port: 123, Target: target()}}
			}
			rec.TXT = []string{"a\"\\", "größer" + strings.Repeat("x", 300), rec.Name}
			rec.CAA = []zones.CAA{{Tag: "issue", Value: ";", Critical: r.IntN(2) == 0}}
		}
		reg.Records = append(reg.Records, rec)
	}
	return reg
}

func addrs(list ...string) (as []netip.Addr) {
	for _, a := range list {
		as = append(as, netip.MustParseAddr(a))
	}
	return as
}

// zoneFile writes the registry's static part as a zone file.
func zoneFile(r *zones.Registry) string {
	z := &r.Zone
	var b strings.Builder
	put := func(owner string, ttl time.Duration, lines ...string) {
		for _, l := range lines {
			fmt.Fprintf(&b, "%s. %d IN %s\n", owner, ttl/time.Second, l)
		}
	}
	host := func(n zones.Nameserver, ttl time.Duration) {
		record := zones.Record{Addresses: n.Addresses}
		put(n.Name, ttl, record.RRs()...)
	}
	put(z.Name, time.Hour, fmt.Sprintf("SOA %s. hostmaster.%s. 7 14400 3600 1209600 30", z.Nameservers[0].Name, z.Name))
	for _, n := range z.Nameservers {
		put(z.Name, time.Hour, "NS "+n.Name+".")
		host(n, time.Hour)
	}
	for _, rec := range r.Records {
		put(rec.Name+"."+z.Name, rec.TTL, rec.RRs()...)
	}
	for _, d := range r.Delegations {
		for _, n := range d.Nameservers {
			put(d.Name+"."+z.Name, d.TTL, "NS "+n.Name+".")
			host(n, d.TTL)
		}
		for _, ds := range d.DS {
			put(d.Name+"."+z.Name, d.TTL, "DS "+string(ds))
		}
	}
	return b.String()
}

// staticPeers are the servers that random zones are held against: their
// configuration, with DIR and PORT to come, and what is added for each zone.
var staticPeers = map[string]struct {
	args         []string
	config, zone string
}{
	"knotd": {[]string{"-c"}, `server:
  rundir: DIR
  listen: 127.0.0.1@PORT
  background-workers: 1
  udp-workers: 1
  tcp-workers: 1
database:
  storage: DIR
log:
- target: stderr
  any: warning
template:
- id: default
  storage: DIR
  semantic-checks: off
zone:
`, "- domain: %[1]s\n  file: %[1]s.zone\n"},
	"nsd": {[]string{"-d", "-c"}, `server:
  ip-address: 127.0.0.1@PORT
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: DIR
  database: ""
  pidfile: DIR/pid
  xfrdfile: DIR/xfrd
  zonelistfile: DIR/zonelist
  xfrdir: DIR
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
`, "zone:\n  name: %[1]s\n  zonefile: %[1]s.zone\n"},
}

// TestStaticPeers asks Debian's Knot and NSD and us about the same random zones:
// names, wildcards, CNAMEs, delegations and what is not there.
func TestStaticPeers(t *testing.T) {
	for name, peer := range staticPeers {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
			binary, err := exec.LookPath(name)
			if err != nil {
				t.Skip(name + " is not installed")
			}
			const many = 60
			rnd := rand.New(rand.NewPCG(4, 2026))
			dir, port := t.TempDir(), freePort(t)
			conf := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port)).Replace(peer.config)
			var ours []*Snapshot
			for i := range many {
				reg := anyStatic(rnd, fmt.Sprintf("z%d.example", i))
				if err := os.WriteFile(filepath.Join(dir, reg.Zone.Name+".zone"), []byte(zoneFile(reg)), 0o600); err != nil {
					t.Fatal(err)
				}
				conf += fmt.Sprintf(peer.zone, reg.Zone.Name)
				s, err := Build(reg, zones.NewAtlas(reg, nil), allIn(reg, zones.In), Options{Serial: 7})
				if err != nil {
					t.Fatal(err)
				}
				ours = append(ours, s)
			}
			path := filepath.Join(dir, "conf")
			if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			d := runDaemon(t, binary, append(peer.args, path)...)
			sameAsPeer(t, name, rnd, ours, dialReady(t, port, "z0.example.", d))
		})
	}
}

// sameAsPeer asks both about random names.
func sameAsPeer(t *testing.T, name string, rnd *rand.Rand, ours []*Snapshot, conn net.Conn) {
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeMX, dns.TypeSRV, dns.TypeCAA, dns.TypeCNAME, dns.TypeNS, dns.TypeDS, dns.TypePTR}
	kinds := map[string]int{}
	for range 6000 {
		i := rnd.IntN(len(ours))
		owner := fmt.Sprintf("z%d.example.", i)
		for range 1 + rnd.IntN(4) {
			label := fmt.Sprintf("x%d.", rnd.IntN(4))
			if rnd.IntN(12) == 0 {
				label = "*."
			}
			owner = label + owner
		}
		q := question(owner, types[rnd.IntN(len(types))])
		q.SetEdns0(1232, rnd.IntN(2) == 0)
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := ours[i].Answer(nil, raw, netip.MustParseAddr("192.0.2.9"), Transport{}, nil)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatalf("%v: %x: %v", q.Question[0], reply, err)
		}
		got.Compress = true
		if full, err := got.Pack(); err != nil || len(reply) > len(full) {
			t.Fatalf("%v: %d octets, miekg takes %d (%v)", &q.Question[0], len(reply), len(full), err)
		}
		want := askPeer(t, conn, raw)
		if name == "nsd" && got.Answer != nil { // it adds nothing to an answer
			got.Extra, want.Extra = nil, nil
		}
		if g, w := story(got), story(want); g != w {
			t.Fatalf("%v\ngot  %s\n%s %s\nzone\n%s", &q.Question[0], g, name, w, zoneFile(ours[i].ground.registry))
		}
		kinds[fmt.Sprintf("%s aa=%t answer=%t", dns.RcodeToString[got.Rcode], got.Authoritative, got.Answer != nil)]++
	}
	if len(kinds) < 5 {
		t.Errorf("only these kinds of answers: %v", kinds)
	}
	t.Log(kinds)
}

// story tells of a reply what has to be the same whoever gives it.
func story(m *dns.Msg) string {
	lines := func(rrs []dns.RR) (all []string) {
		for _, line := range text(rrs) {
			if !strings.Contains(line, "opt pseudosection") {
				all = append(all, line)
			}
		}
		slices.Sort(all)
		return slices.Compact(all) // Knot may go round a circle of wildcards twice
	}
	return fmt.Sprintf("%s aa=%t tc=%t\n answer %q\n authority %q\n additional %q",
		dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated, lines(m.Answer), lines(m.Ns), lines(m.Extra))
}

func askPeer(t testing.TB, conn net.Conn, query []byte) *dns.Msg {
	t.Helper()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(query); err != nil {
		t.Fatal(err)
	}
	buf, n := make([]byte, 65535), 0
	for n < 2 || !bytes.Equal(buf[:2], query[:2]) { // an earlier question may have been asked twice
		var err error
		if n, err = conn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	m := new(dns.Msg)
	if err := m.Unpack(buf[:n]); err != nil {
		t.Fatal(err)
	}
	return m
}

// freePort returns a port that is free for UDP and TCP on 127.0.0.1, as far as
// anybody can tell.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp", fmt.Sprint("127.0.0.1:", port))
		tcp.Close()
		if err == nil {
			udp.Close()
			return port
		}
	}
}

// daemon is one that a test started.
type daemon struct {
	done chan struct{}
	log  string // path
}

func (d *daemon) text() string {
	text, _ := os.ReadFile(d.log)
	return string(text)
}

// runDaemon starts a daemon in the foreground and stops it with the test.
func runDaemon(t testing.TB, name string, args ...string) *daemon {
	t.Helper()
	d := &daemon{done: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(d.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		defer log.Close()
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may have children to end
		hard := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer hard.Stop()
		<-d.done
		if t.Failed() {
			t.Logf("%s:\n%s", name, d.text())
		}
	})
	return d
}

// dialReady returns a UDP socket to the daemon once it answers for the zone.
func dialReady(t testing.TB, port int, zone string, d *daemon) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, _ := question(zone, dns.TypeSOA).Pack()
	buf := make([]byte, 4096)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-d.done:
			t.Fatalf("the daemon ended:\n%s", d.text())
		default:
		}
		conn.SetDeadline(time.Now().Add(time.Second))
		if _, err := conn.Write(raw); err != nil {
			continue
		}
		n, err := conn.Read(buf)
		m := new(dns.Msg)
		if err == nil && m.Unpack(buf[:n]) == nil && m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0 {
			return conn
		}
	}
	t.Fatalf("no answer for %s:\n%s", zone, d.text())
	return nil
}
