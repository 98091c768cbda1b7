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
// off as it sees them, cuts nobody and says so everywhere; when its clock is
// right again it goes on, and one member that is 5 s off is out. The same with
// two references; then a wrong majority of the members is out as well.
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
		t.Run(name, func(t *testing.T) {
			set("0s", "0s", "0s", "0s", "0s", "0s")
			node := n.file("timepool.yaml", strings.Replace(realNode, "data: data", "data: "+name, 1)+more)
			serve := n.start("timepool", bin, "serve", "--config", node)
			defer serve.stop()
			answers := func(want ...string) func() (bool, string) {
				return func() (bool, string) {
					out, err := n.ask("dig", "+short", "+tries=1", "+time=1", "-p", "5300", "@127.0.0.2", "pool.example", "A")
					return err == nil && slices.Equal(slices.Sorted(slices.Values(strings.Fields(out))), want), fmt.Sprint(out, err)
				}
			}
			frozen := func(want bool) func() (bool, string) {
				return func() (bool, string) {
					s, text := statusEvenFailing(n, bin, node)
					return s.Answering && s.Monitor.Frozen == want, text
				}
			}
			until(t, "all are in with something to lose", func() (bool, string) {
				out, err := n.ask(bin, "members", "--config", node, "-o", "json")
				var members []monitor.Member
				if err != nil || json.Unmarshal([]byte(out), &members) != nil {
					return false, out
				}
				return !slices.ContainsFunc(members, func(m monitor.Member) bool {
					if m.Address.Is6() { // this node cannot tell, and holds it against nobody
						return m.Outcome != "unmeasured" || m.Score != 0 || m.Fault != ""
					}
					return !m.In || m.Score < 17
				}), out
			}, serve)

			set("5s", "5s", "5s", "5s", "5s", "5s")
			until(t, "the node doubts its clock", frozen(true), serve)
			// At two checks a second one or the other may have had two bad ones before
			// enough were there to vote; what they did is taken back.
			until(t, "all are in", answers(all...), serve)
			for range 20 { // three rounds and more
				if ok, now := answers(all...)(); !ok {
					t.Fatalf("somebody was cut: %s", now)
				}
				s, text := statusEvenFailing(n, bin, node)
				if !s.Monitor.Frozen {
					t.Fatalf("thawed while it is wrong: %s", text)
				}
			}
			out, _ := n.command(bin, "status", "--config", node).Output() // fails, as it should
			if want := map[string]string{"members": "4 of 4 members have the clock of this node 5s", "references": "2 of 2 references do not vouch"}[name]; !strings.Contains(string(out), want) {
				t.Errorf("status does not tell %q: %s", want, out)
			}

			set("0s", "0s", "0s", "5s", "0s", "0s")
			until(t, "only the wrong one is out", answers(all[:3]...), serve)
			until(t, "it goes on", frozen(false), serve)
			if name == "references" {
				set("0s", "5s", "5s", "5s", "0s", "0s")
				until(t, "the wrong majority is out", answers(all[:1]...), serve)
			}
		})
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
func statusEvenFailing(n *namespace, bin, node string) (s Status, text string) {
	out, err := n.command(bin, "status", "--config", node, "-o", "json").Output()
	if json.Unmarshal(out, &s) != nil {
		return Status{}, fmt.Sprintf("%s %v", out, err)
	}
	return s, string(out)
}
