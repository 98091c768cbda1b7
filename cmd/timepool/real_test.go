//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
)

// The members of TestReal, by name. All are real chronyd.
const (
	firstAddr  = "127.1.0.11"
	secondAddr = "127.1.0.12"
	mortalAddr = "127.1.0.13" // stopped half-way and started again
	wrongAddr  = "127.1.0.14" // 400 ms wrong
)

const realPool = `
zone:
  name: pool.example
  nameservers: {ns1.pool.example: [127.0.0.2]}
  contact: hostmaster@example.org
  ttl: 1s
  negative_ttl: 1s
  default: lab
sites:
  lab: {continent: europe, country: de, at: [50.11, 8.68], networks: [127.0.0.0/8]}
members:
  - {name: first, addresses: [` + firstAddr + `], site: lab}
  - {name: second, addresses: [` + secondAddr + `], site: lab}
  - {name: mortal, addresses: [` + mortalAddr + `], site: lab}
  - {name: wrong, addresses: [` + wrongAddr + `], site: lab}
`

// The interval makes three minutes of probation a few seconds; chronyd limits
// nobody unless it is told to.
const realNode = `
vantage: test
data: data
registry: pool.yaml
dns: {listen: ["127.0.0.2:5300"]}
http: {listen: "127.0.0.2:8053"}
socket: timepool.sock
probe: {interval: 500ms, samples: 3, gap: 20ms, timeout: 300ms}
log: {level: debug}
`

// As deploy/delegation/unbound.conf says, on one host. private-address makes
// private-domain necessary: without it no answer of the pool would come through.
const realUnbound = `
server:
  interface: 127.0.0.1
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %[1]q
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  private-address: 127.0.0.0/8
  private-domain: "pool.example"
stub-zone:
  name: "pool.example"
  stub-addr: 127.0.0.2@5300
remote-control:
  control-enable: no
`

// TestReal does the whole job on real input: Debian's chronyd as members, one
// 400 ms wrong, one stopped half-way; the binary as people run it; dig through
// unbound; and chronyd as a client that takes its servers from the pool.
func TestReal(t *testing.T) {
	n := newNamespace(t, "chronyd", "chronyc", "unbound", "dig")
	bin := builtTimepool(t)
	good := "local stratum 3\n"
	n.chronyd("first", firstAddr, good)
	n.chronyd("second", secondAddr, good)
	mortal := n.chronyd("mortal", mortalAddr, good)
	// With -x chronyd sets no clock but serves the time it tracks, and it tracks
	// a source that it takes to be 400 ms off.
	n.chronyd("wrong", wrongAddr, "server "+firstAddr+" iburst minpoll -2 maxpoll 0 offset 0.4\n")

	n.file("pool.yaml", realPool)
	node := n.file("timepool.yaml", realNode)
	serve := n.start("timepool", bin, "serve", "--config", node)
	until(t, "DNS opens", func() (bool, string) {
		out, err := n.ask("dig", "+short", "+tries=1", "+time=1", "-p", "5300", "@127.0.0.2", "pool.example", "SOA")
		return err == nil && strings.HasPrefix(out, "ns1.pool.example."), fmt.Sprint(out, err)
	}, serve)
	unbound := n.start("unbound", "unbound", "-d", "-c", n.file("unbound.conf", fmt.Sprintf(realUnbound, n.dir)))

	n.untilAnswers(serve, unbound, firstAddr, secondAddr, mortalAddr)
	n.untilMember(bin, node, "wrong is out for its offset", func(m monitor.Member) bool {
		return m.Address.String() == wrongAddr && !m.In && m.Why != "" &&
			m.Offset > 350*time.Millisecond && m.Offset < 450*time.Millisecond
	}, serve)
	n.clientSelects(serve, unbound)

	mortal.stop()
	n.untilAnswers(serve, unbound, firstAddr, secondAddr)
	n.chronyd("mortal again", mortalAddr, good)
	n.untilAnswers(serve, unbound, firstAddr, secondAddr, mortalAddr)

	if code := serve.stop(); code != 0 {
		t.Errorf("timepool serve ended with %d on SIGTERM", code)
	}
}

// chronyd starts a real one that serves on addr, has no command port and never
// touches the machine's clock (-x).
func (n *namespace) chronyd(name, addr, source string) *process {
	file := strings.ReplaceAll(name, " ", "-")
	conf := n.file(file+".conf", source+
		"bindaddress "+addr+"\nbindacqaddress "+addr+"\nallow 127.0.0.0/8\n"+
		"cmdport 0\nbindcmdaddress /\nuser root\npidfile "+filepath.Join(n.dir, file+".pid")+"\n")
	return n.start("chronyd "+name, "chronyd", "-x", "-d", "-f", conf)
}

// untilAnswers asks through unbound until the whole pool is just these. The
// wrong member must not be in any answer on the way.
func (n *namespace) untilAnswers(serve, unbound *process, want ...string) {
	n.t.Helper()
	until(n.t, "the answers are "+strings.Join(want, " "), func() (bool, string) {
		out, err := n.ask("dig", "+short", "+tries=1", "+time=2", "@127.0.0.1", "pool.example", "A")
		if err != nil {
			return false, err.Error()
		}
		got := slices.Sorted(slices.Values(strings.Fields(out)))
		if slices.Contains(got, wrongAddr) {
			n.t.Fatalf("the member that is 400 ms wrong was handed out: %v", got)
		}
		return slices.Equal(got, want), out
	}, serve, unbound)
}

// untilMember asks the running node until one of its members is as wanted.
func (n *namespace) untilMember(bin, node, what string, wanted func(monitor.Member) bool, serve *process) {
	n.t.Helper()
	until(n.t, what, func() (bool, string) {
		out, err := n.ask(bin, "members", "-o", "json", "--config", node)
		if err != nil {
			return false, err.Error()
		}
		var members []monitor.Member
		if err := json.Unmarshal([]byte(out), &members); err != nil {
			n.t.Fatalf("timepool members -o json: %v\n%s", err, out)
		}
		return slices.ContainsFunc(members, wanted), out
	}, serve)
}

// clientSelects runs chronyd as a client whose resolver is unbound, and waits
// until it follows one of the pool's members and hears from the others.
func (n *namespace) clientSelects(serve, unbound *process) {
	n.t.Helper()
	commands := filepath.Join(n.dir, "client")
	if err := os.Mkdir(commands, 0o700); err != nil {
		n.t.Fatal(err)
	}
	socket := filepath.Join(commands, "chronyd.sock")
	conf := n.file("client.conf", "pool pool.example iburst minpoll 0 maxpoll 2\nport 0\ncmdport 0\nuser root\n"+
		"bindcmdaddress "+socket+"\npidfile "+filepath.Join(n.dir, "client.pid")+"\n")
	// The mount is seen by this process alone: ip netns exec has made it a mount
	// namespace of its own.
	resolv := n.file("resolv.conf", "nameserver 127.0.0.1\n")
	client := n.start("chronyd client", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec chronyd -x -d -f "$1"`, resolv, conf)

	until(n.t, "the client follows one source and hears from all", func() (bool, string) {
		out, err := n.ask("chronyc", "-h", socket, "-n", "-c", "sources")
		if err != nil {
			return false, err.Error()
		}
		heard, selected := map[string]bool{}, false
		for line := range strings.Lines(out) {
			// ^,*,127.1.0.11,3,0,177,…: mode, state, address, stratum, poll, reach
			f := strings.Split(line, ",")
			if len(f) < 6 {
				continue
			}
			if f[2] == wrongAddr {
				n.t.Fatalf("the client was sent to the member that is 400 ms wrong:\n%s", out)
			}
			heard[f[2]] = f[5] != "0"
			selected = selected || f[1] == "*"
		}
		want := map[string]bool{firstAddr: true, secondAddr: true, mortalAddr: true}
		return selected && maps.Equal(heard, want), out
	}, client, serve, unbound)
	client.stop()
}
