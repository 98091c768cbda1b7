//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Two resolvers as an operator sets them up for the demonstration: unbound by
// stub-zone, BIND as a forwarder.
const (
	clientsUnbound = `
server:
  interface: 127.0.0.3
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %[1]q
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
stub-zone:
  name: "pool.example"
  stub-addr: 127.0.0.1@5300
remote-control:
  control-enable: no
`
	clientsNamed = `
options {
  directory %[1]q; pid-file none; session-keyfile none; listen-on port 5354 { 127.0.0.1; }; listen-on-v6 { none; };
  recursion yes; allow-query { any; }; dnssec-validation no;
};
controls {};
zone "pool.example" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
`
)

// TestClients has the programs that people ask with, and two resolvers, ask the
// demonstration: each reads the right addresses out of what it gets.
func TestClients(t *testing.T) {
	n := newNamespace(t, "dig", "kdig", "drill", "delv", "unbound", "named")
	t.Setenv("TMPDIR", n.dir) // where the demonstration keeps its files
	demo := n.start("demo", builtTimepool(t), "demo")
	unbound := n.start("unbound", "unbound", "-d", "-c", n.file("unbound.conf", fmt.Sprintf(clientsUnbound, n.dir)))
	named := n.start("named", "named", "-g", "-c", n.file("named.conf", fmt.Sprintf(clientsNamed, n.dir)))

	europe4, europe6 := "127.16.0.11 127.16.0.12 127.48.0.11 127.48.0.12", "fd12:3456:10::11 fd12:3456:10::12 fd12:3456:20::11 fd12:3456:30::11"
	tokyo := "127.16.0.11 127.16.0.12 127.32.0.11 127.32.0.12"
	direct := "@127.0.0.1 -p 5300"
	for _, c := range []struct{ asks, wants string }{
		{"dig +short " + direct + " europe.pool.example A", europe4},
		{"dig +short +tcp " + direct + " EUROPE.pool.Example A", europe4},
		{"dig +short +noedns " + direct + " europe.pool.example AAAA", europe6},
		{"dig +short +cookie +nsid +dnssec +ednsopt=19 +keepopen +bufsize=512 " + direct + " europe.pool.example AAAA", europe6},
		{"dig +short +subnet=10.32.0.0/16 " + direct + " pool.example A", tokyo},
		{"kdig +short " + direct + " europe.pool.example A", europe4},
		{"kdig +short +tcp +keepopen " + direct + " europe.pool.example AAAA", europe6},
		{"kdig +short +cookie=2464c4abcf10c957 +nsid +padding=64 +subnet=10.32.0.0/16 " + direct + " pool.example A", tokyo},
		{"drill -Q -p 5300 @127.0.0.1 europe.pool.example A", europe4},
		{"drill -Q -t -D -p 5300 @127.0.0.1 europe.pool.example AAAA", europe6},
		{"delv -i +short " + direct + " europe.pool.example A", europe4},
		{"delv -i +short +tcp " + direct + " europe.pool.example AAAA", europe6},
		{"dig +short @127.0.0.3 europe.pool.example A", europe4},
		{"dig +short @127.0.0.3 europe.pool.example AAAA", europe6},
		{"dig +short @127.0.0.1 -p 5354 europe.pool.example A", europe4},
		{"dig +short @127.0.0.1 -p 5354 europe.pool.example AAAA", europe6},
	} {
		until(t, c.asks+" gets "+c.wants, func() (bool, string) {
			out, err := n.ask(strings.Fields(c.asks)...)
			if err != nil {
				return false, err.Error()
			}
			got := strings.Fields(out)
			got = slices.DeleteFunc(got, func(word string) bool { return word == ";" || strings.HasPrefix(word, "unsigned") })
			slices.Sort(got)
			return strings.Join(got, " ") == c.wants, out
		}, demo, unbound, named)
	}
	// What a resolver makes of a name that is not there, and of one that is empty.
	for _, server := range []string{"@127.0.0.1 -p 5300", "@127.0.0.3", "@127.0.0.1 -p 5354"} {
		for name, status := range map[string]string{"gone.pool.example A": "NXDOMAIN", "pool.example MX": "NOERROR"} {
			until(t, server+" says "+status, func() (bool, string) {
				out, err := n.ask(strings.Fields("dig " + server + " " + name)...)
				return err == nil && strings.Contains(out, "status: "+status) && strings.Contains(out, "ANSWER: 0, AUTHORITY: 1"), out
			}, demo, unbound, named)
		}
	}
	for what, asks := range map[string]string{
		"COOKIE: 2464c4abcf10c957":     "dig +cookie=2464c4abcf10c957 " + direct + " pool.example SOA",
		"CLIENT-SUBNET: 10.32.0.0/16/": "dig +subnet=10.32.0.0/16 " + direct + " pool.example A",
		"NSID":                         "kdig +nsid " + direct + " pool.example SOA",
		`"timepool `:                   "dig +short " + direct + " version.bind TXT CH",
	} {
		if out, err := n.ask(strings.Fields(asks)...); err != nil || !strings.Contains(out, what) {
			t.Errorf("%s: no %s: %v\n%s", asks, what, err, out)
		}
	}
}
