//go:build linux

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestReplyAddress: a host with several addresses answers from the one that was
// asked, also where the routes would choose another: wildcard sockets, IPv4 and
// IPv6, UDP and TCP. dig takes no reply from elsewhere.
func TestReplyAddress(t *testing.T) {
	n := newNamespace(t, "dig")
	addrs := []string{"198.51.100.53", "198.51.100.54", "2001:db8::53", "2001:db8::54"}
	for _, addr := range addrs {
		if out, err := exec.Command("ip", "-n", n.name, "addr", "add", addr, "dev", "lo").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	n.file("pool.yaml", realPool)
	node := n.file("timepool.yaml", `
data: data
registry: pool.yaml
dns: {listen: ["0.0.0.0:5300", "[::]:5300"]}
http: {off: true}
socket: timepool.sock
`)
	serve := n.start("timepool", builtTimepool(t), "serve", "--static", "--config", node)
	for _, addr := range append(addrs, "127.0.0.2") {
		from := "127.0.0.1" // from which the kernel would answer as well
		if strings.Contains(addr, ":") {
			from = "::1"
		}
		for _, how := range []string{"+notcp", "+tcp"} {
			until(t, "an answer from "+addr+" "+how, func() (bool, string) {
				out, err := n.ask("dig", "+short", "+tries=1", "+time=2", how, "-b", from, "-p", "5300", "@"+addr, "pool.example", "SOA")
				return err == nil && strings.HasPrefix(out, "ns1.pool.example."), out
			}, serve)
		}
	}
}
