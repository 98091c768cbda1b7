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
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// peers are name servers that the table is held against: how each is started
// with a configuration that makes it say what ours says, as far as it can.
// In these, DIR and PORT stand for the test's folder and the server's port.
var peers = map[string]struct {
	command []string
	files   map[string]string
}{
	"knot": {[]string{"knotd", "-c", "DIR/knot.conf"}, map[string]string{"knot.conf": `
server:
  rundir: DIR
  listen: 127.0.0.1@PORT
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  identity: ns1.fra
  version: "timepool 1.2.3"
  nsid: ns1.fra
  edns-client-subnet: on
log:
  - target: stderr
    any: warning
database:
  storage: DIR
template:
  - id: default
    storage: DIR/zones
    file: "%s"
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
  - domain: pool.example
  - domain: ntp.corp.example
`}},
	"nsd": {[]string{"nsd", "-d", "-c", "DIR/nsd.conf"}, map[string]string{"nsd.conf": `
server:
  ip-address: 127.0.0.1@PORT
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: DIR/zones
  database: ""
  pidfile: DIR/pid
  xfrdfile: DIR/xfrd
  zonelistfile: DIR/zonelist
  xfrdir: DIR
  logfile: DIR/log
  identity: ns1.fra
  version: "timepool 1.2.3"
  nsid: ascii_ns1.fra
  minimal-responses: yes
  answer-cookie: yes
  cookie-secret: SECRET
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: pool.example
  zonefile: pool.example
zone:
  name: ntp.corp.example
  zonefile: ntp.corp.example
`}},
	"gdnsd": {[]string{"gdnsd", "-c", "DIR", "start"}, map[string]string{"config": `
options => {
  listen => 127.0.0.1:PORT, run_dir => DIR/run, state_dir => DIR/state, udp_threads => 1, tcp_threads => 1,
  nsid_ascii => ns1.fra, chaos_response => "timepool 1.2.3", max_edns_response => 1232
}
`}},
}

// startPeer runs one of peers with the sample's zones until the test ends, and
// returns where it listens.
func startPeer(t *testing.T, name string, zones map[string]string) string {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	peer := peers[name]
	if _, err := exec.LookPath(peer.command[0]); err != nil {
		t.Skipf("needs %s, which is not installed", peer.command[0])
	}
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	fill := strings.NewReplacer("DIR", dir, "PORT", port, "SECRET", hex.EncodeToString(wireSecrets[0][:])).Replace
	files := map[string]string{"run/.": "", "state/.": ""}
	for zone, text := range zones {
		files["zones/"+zone] = text
	}
	for file, text := range peer.files {
		files[file] = fill(text)
	}
	for file, text := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, ".") {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	command := slices.Clone(peer.command)
	for i := range command {
		command[i] = fill(command[i])
	}
	runDaemon(t, command[0], command[1:]...)
	return untilAnswers(t, "127.0.0.1:"+port)
}

// untilAnswers waits until the daemon answers over UDP and TCP, and returns addr.
func untilAnswers(t *testing.T, addr string) string {
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: 200 * time.Millisecond}
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, _, err := client.Exchange(question("ns1.pool.example.", dns.TypeA), addr)
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	return addr
}

// peerZones writes the sample's zones as files: what stands there beside the
// pool, and the addresses of pools that are always all handed out.
func peerZones(t *testing.T, m *sample) map[string]string {
	zones := map[string]string{}
	for _, zone := range []string{"pool.example.", "ntp.corp.example."} {
		var text strings.Builder
		for _, rr := range m.static[zone] {
			fmt.Fprintln(&text, rr)
		}
		for owner, rrs := range m.static {
			for _, rr := range rrs {
				if owner != zone && dns.IsSubDomain(zone, owner) {
					fmt.Fprintln(&text, rr)
				}
			}
		}
		for _, member := range m.ground.registry.Members {
			for _, a := range member.Addresses {
				if tag := member.Tags[0]; tag != "dead" {
					rrtype := map[bool]string{true: "A", false: "AAAA"}[a.Is4()]
					if tag != "v4" || a.Is4() {
						fmt.Fprintf(&text, "%s.%s 150 IN %s %s\n", tag, zone, rrtype, a)
					}
				}
			}
		}
		zones[strings.TrimSuffix(zone, ".")] = text.String()
	}
	return zones
}

// TestWirePeers holds the table against other servers, over UDP and TCP: each
// says what we say, but where the table has what it says instead, and why.
func TestWirePeers(t *testing.T) {
	m := newSample(t)
	zones, all := peerZones(t, m), packets(t)
	for name := range peers {
		t.Run(name, func(t *testing.T) {
			addr := startPeer(t, name, zones)
			c := newCoder(t, netip.MustParseAddr("127.0.0.1"))
			for tcp, network := range []string{"udp", "tcp"} {
				for _, p := range all {
					want := gist(c.octets(p.reply[tcp]), len(p.reply[tcp]) > 0)
					how := want
					for _, peer := range []string{"all", name, name + "/" + network} {
						if says, why, ok := strings.Cut(p.peers[peer], " | "); ok && why != "" {
							how = says
						}
					}
					if how == "not asked" {
						continue
					}
					got, ok := askDaemon(t, network, addr, c.octets(p.query))
					says := gist(got, ok)
					if reply := c.octets(p.reply[tcp]); ok && says == want && c.free == nil && !sameRecords(t, got, reply) {
						says += ", other records"
					}
					if !slices.Contains(strings.Split(strings.ReplaceAll(how, "ours", want), " or "), says) {
						t.Errorf("%s %s: wants\n~%s/%s %s | why", p.where, p.what, name, network, says)
					}
				}
			}
		})
	}
}

// askDaemon returns the reply to octets, false for none: a good question that is
// sent after them is answered first, or the connection is closed.
func askDaemon(t *testing.T, network, addr string, query []byte) (reply []byte, ok bool) {
	good, _ := question("ns1.pool.example.", dns.TypeA).Pack()
	binary.BigEndian.PutUint16(good, 0x4321)
	if network == "udp" {
		reply = askRaw(t, network, addr, query, good)
		return reply, reply != nil
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send := func(msg []byte) {
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	}
	send(query)
	// Octets that a server has not read when it closes cost its reply, too: the
	// good question waits a little.
	late := time.AfterFunc(300*time.Millisecond, func() { send(good) })
	defer late.Stop()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var length [2]byte
	if _, err = io.ReadFull(conn, length[:]); err != nil {
		return nil, false
	}
	reply = make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err = io.ReadFull(conn, reply); err != nil {
		return nil, false
	}
	return reply, !bytes.HasPrefix(reply, good[:2])
}

// gist is what servers that follow the rules agree on: code, flags, counts, and
// the options in an OPT but for those that may come unasked, extended errors and
// the keepalive. With FORMERR and NOTIMP a
// server need not repeat what it may not have understood.
func gist(reply []byte, ok bool) string {
	if !ok {
		return "silent"
	}
	var m dns.Msg
	if err := m.Unpack(reply); err != nil && len(reply) < headerLen {
		return fmt.Sprintf("%x", reply)
	}
	said := []string{dns.RcodeToString[m.Rcode]}
	if m.Rcode == dns.RcodeBadVers { // which is BADSIG's number, too
		said[0] = "BADVERS"
	}
	if op := int(reply[2] >> 3 & 15); op != dns.OpcodeQuery {
		said = append(said, fmt.Sprint("op", op))
	}
	bare := m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented
	for i, name := range []string{"qr", "", "", "", "", "aa", "tc", "rd", "ra", "z", "ad", "cd"} {
		if bare && name == "rd" {
			continue
		}
		if set := reply[2+i/8]&(0x80>>(i%8)) != 0; name != "" && name != "qr" && set {
			said = append(said, name)
		} else if name == "qr" && !set {
			said = append(said, "query")
		}
	}
	if !bare {
		said = append(said, fmt.Sprint(len(m.Question)))
	}
	said = append(said, fmt.Sprintf("%d %d", len(m.Answer), len(m.Ns)))
	if opt := m.IsEdns0(); opt != nil {
		said = append(said, "opt")
		if opt.Do() {
			said = append(said, "do")
		}
		var codes []int
		for _, o := range opt.Option {
			if o.Option() != dns.EDNS0EDE && o.Option() != dns.EDNS0TCPKEEPALIVE {
				codes = append(codes, int(o.Option()))
			}
		}
		slices.Sort(codes)
		said = append(said, strings.Fields(strings.Trim(fmt.Sprint(codes), "[]"))...)
	}
	return strings.Join(said, " ")
}

// sameRecords compares answers and authorities but for TTLs, in any order.
func sameRecords(t *testing.T, a, b []byte) bool {
	records := func(raw []byte) (lines []string) {
		var m dns.Msg
		if err := m.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		for _, rr := range append(m.Answer, m.Ns...) {
			rr.Header().Ttl = 0
			lines = append(lines, strings.ToLower(rr.String()))
		}
		slices.Sort(lines)
		return lines
	}
	return slices.Equal(records(a), records(b))
}
