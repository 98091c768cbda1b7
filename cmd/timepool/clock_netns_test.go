//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/web"
)

const clockPool = `
zone:
  name: pool.example
  nameservers: {ns1.pool.example: [127.0.0.2]}
  ttl: 1s
  negative_ttl: 1s
  default: lab
sites:
  lab: {continent: europe, country: de, networks: [10.99.0.0/24]}
members:
  - {name: a, addresses: [10.99.0.11, "2001:db8::11"], site: lab} # no way to IPv6 here
  - {name: b, addresses: [10.99.0.12], site: lab}
  - {name: c, addresses: [10.99.0.13], site: lab}
  - {name: d, addresses: [10.99.0.14], site: lab}
`

// TestClockOff: a node whose clock is 5 s off, which is that all members are 5 s
// off as it sees them, never cuts anybody and says so everywhere, whether its
// clock goes wrong or was so when it started; when it is right again it goes on,
// and one member that is 5 s off is out. The same with two references; then a
// wrong majority of the members is out as well.
func TestClockOff(t *testing.T) {
	n := newNamespace(t, "dig")
	bin := builtTimepool(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"10.99.0.11", "10.99.0.12", "10.99.0.13", "10.99.0.14"}
	file := filepath.Join(n.dir, "clocks")
	set := func(offsets ...string) { // of members a to d, then of the two references
		t.Helper()
		clocks := map[string]string{}
		for i, off := range offsets {
			clocks[fmt.Sprintf("10.99.0.%d:123", 11+i)] = off
		}
		if err := falseTimes(file, clocks); err != nil {
			t.Fatal(err)
		}
	}
	set("0s", "0s", "0s", "0s", "0s", "0s")
	n.neighbour(15, 16, 11, 12, 13, 14).start("clocks", "env", "TIMEPOOL_FALSE_TIME="+file, self)
	n.file("pool.yaml", clockPool)

	for name, more := range map[string]string{"members": "", "references": "references: [10.99.0.15, 10.99.0.16]\n"} {
		for _, off := range []string{"5s", "-5s"} {
			t.Run(name+" "+off, func(t *testing.T) {
				set("0s", "0s", "0s", "0s", "0s", "0s")
				node := n.file("timepool.yaml", strings.NewReplacer("data: data", "data: "+name+off, "timeout: 300ms", "timeout: 2s").Replace(realNode)+more)
				serve := n.start("timepool", bin, "serve", "--config", node)
				defer func() { serve.stop() }()
				answers := func(want ...string) func() (bool, string) {
					return func() (bool, string) {
						out, err := n.ask("dig", "+short", "+tries=1", "+time=1", "-p", "5300", "@127.0.0.2", "pool.example", "A")
						return err == nil && slices.Equal(slices.Sorted(slices.Values(strings.Fields(out))), want), fmt.Sprint(out, err)
					}
				}
				members := func(want func(monitor.Member) bool) func() (bool, string) {
					return func() (bool, string) {
						out, err := n.ask(bin, "members", "--config", node, "-o", "json")
						var all []monitor.Member
						if err != nil || json.Unmarshal([]byte(out), &all) != nil {
							return false, out
						}
						return !slices.ContainsFunc(all, func(m monitor.Member) bool { return !want(m) }), out
					}
				}
				in := members(func(m monitor.Member) bool {
					if m.Address.Is6() { // this node cannot tell, and holds it against nobody
						return m.Outcome == "unmeasured" && m.Score == 0 && m.Fault == ""
					}
					return m.In && m.Score >= 10
				})
				frozen := func(want bool) func() (bool, string) {
					return func() (bool, string) {
						s, text := statusEvenFailing(n, bin, node)
						return s.Answering && s.Monitor.Frozen == want, text
					}
				}
				// meanwhile is see, and fails if ever somebody is out but whom it may be.
				meanwhile := func(see func() (bool, string), always ...func() (bool, string)) func() (bool, string) {
					return func() (bool, string) {
						t.Helper()
						was := ""
						if !slices.ContainsFunc(always, func(f func() (bool, string)) bool {
							ok, now := f()
							was += now
							return ok
						}) {
							t.Fatalf("somebody was cut: %s", was)
						}
						return see()
					}
				}
				doubts := func() {
					t.Helper()
					until(t, "the node doubts its clock", meanwhile(frozen(true), answers(all...)), serve)
					for range 10 {
						if ok, text := meanwhile(meanwhile(frozen(true), answers(all...)), in)(); !ok {
							t.Fatalf("thawed while it is wrong: %s", text)
						}
					}
					want := map[string]string{"members": "4 of 4 members have the clock of this node 5s", "references": "2 of 2 references do not vouch"}[name]
					until(t, "status tells why", meanwhile(func() (bool, string) {
						out, _ := n.command(bin, "status", "--config", node).Output() // fails, as it should
						return strings.Contains(string(out), want), string(out)
					}, answers(all...)), serve)
				}

				until(t, "all are in, and as good as out with the next bad check", in, serve)
				set(off, off, off, off, off, off)
				doubts()
				set("0s", "0s", "0s", "5s", "0s", "0s")
				until(t, "only the wrong one is out", meanwhile(answers(all[:3]...), answers(all...), answers(all[:3]...)), serve)
				until(t, "it goes on", meanwhile(frozen(false), answers(all[:3]...)), serve)

				set("0s", "0s", "0s", "0s", "0s", "0s")
				until(t, "all are in again", in, serve)
				serve.stop()
				set(off, off, off, off, off, off)
				serve = n.start("timepool", bin, "serve", "--config", node)
				until(t, "it answers", func() (bool, string) {
					ok, now := answers(all...)()
					return ok || strings.Contains(now, "10.99"), now
				}, serve)
				doubts()
				set("0s", "0s", "0s", "0s", "0s", "0s")
				until(t, "it goes on", meanwhile(frozen(false), answers(all...)), serve)

				if name == "references" {
					set("0s", "5s", "5s", "5s", "0s", "0s")
					until(t, "the wrong majority is out", answers(all[:1]...), serve)
				}
			})
		}
	}
}

// neighbour makes a second namespace beside n, on the other end of a cable, with
// the addresses 10.99.0.x; n has 10.99.0.1 there. What is in n itself cannot
// vouch for its clock.
func (n *namespace) neighbour(hosts ...int) *namespace {
	n.t.Helper()
	o := &namespace{t: n.t, name: n.name + "-2", dir: n.dir}
	commands := []string{
		"netns add " + o.name, "link add tp0 netns " + n.name + " type veth peer name tp1 netns " + o.name,
		"-n " + n.name + " addr add 10.99.0.1/24 dev tp0", "-n " + n.name + " link set tp0 up", "-n " + o.name + " link set tp1 up",
	}
	for _, h := range hosts {
		commands = append(commands, fmt.Sprintf("-n %s addr add 10.99.0.%d/24 dev tp1", o.name, h))
	}
	n.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", o.name).Run() }) // gone if it was never made
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			n.t.Fatalf("ip %s: %v: %s", c, err, out)
		}
	}
	return o
}

// statusEvenFailing reads the status whatever its exit code: it is 1 while the
// node is frozen.
func statusEvenFailing(n *namespace, bin, node string) (s web.Status, text string) {
	out, err := n.command(bin, "status", "--config", node, "-o", "json").Output()
	if json.Unmarshal(out, &s) != nil {
		return web.Status{}, fmt.Sprintf("%s %v", out, err)
	}
	return s, string(out)
}
