package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor/responder"
)

// The whole way of an active drain: commanded on the node, asked for over TLS
// by the member's responder, announced, lifted; with the member's own token and
// nobody else's.
func TestActiveDrain(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return writeFile(t, filepath.Join(dir, name), text) }
	files := TLSConfig{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	certify(t, files, 1)
	c := defaultConfig()
	c.Data, c.Socket = dir, filepath.Join(dir, "s")
	c.Registry = file("pool.yaml", `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}
sites: {fra: {country: de}}
members: [{name: a, addresses: [127.90.0.1], site: fra}, {name: b, addresses: [127.90.0.2], site: fra}]
`)
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.HTTP.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	c.HTTP.TLS, c.HTTP.MemberTokens = files, file("tokens", "a aaaaaaaaaaaaaaaa\nb bbbbbbbbbbbbbbbb\nc short\n")
	n := running(t, c, false)
	at := "https://" + n.httpListener.Addr().String()

	member := func(token string) *responding {
		f := respondFlags{node: at, nodeToken: file("token", token), nodeCA: files.Cert}
		node, err := f.poolNode()
		if err != nil {
			t.Fatal(err)
		}
		r := &responding{log: slog.New(slog.DiscardHandler), server: &responder.Server{}, watcher: newWatcher(func() []string { return nil }), node: node}
		r.clock = responder.NewClock(-20, nil, responder.Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.attend(ctx, 20*time.Millisecond) }()
		t.Cleanup(func() { cancel(); <-done; node.client.CloseIdleConnections() })
		return r
	}
	drained := func(r *responding, want bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if r.clock.Poll(t.Context()); r.clock.State().Stratum == 1 != want {
				return
			}
		}
		t.Fatalf("drained is not %v: %+v", want, r.clock.Announced())
	}
	command := func(call string) error {
		var out any
		return askSocket(t.Context(), c.Socket, "POST", call, &out)
	}
	a, b := member("aaaaaaaaaaaaaaaa"), member("bbbbbbbbbbbbbbbb")
	drained(a, false)
	for call, why := range map[string]string{
		"drain?member=a&reason=x&active=1":                            "fewer than the floor of 4",
		"drain?member=z&reason=x&active=1":                            "the registry has none",
		"drain?member=a&reason=x&active=1&until=2999-01-01T00:00:00Z": "24h at most",
	} {
		if err := command(call); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", call, err, why)
		}
	}
	if err := command("drain?member=a&reason=CHG-1&active=1&force=1"); err != nil {
		t.Fatal(err)
	}
	drained(a, true)
	if d := a.clock.Announced().Drains; len(d) != 1 || d[0].Reason != "CHG-1" || d[0].By != "node" {
		t.Errorf("%+v", d)
	}
	if m := n.inForce.Load().registry.Members[0]; !m.Paused {
		t.Error("its score goes on moving")
	}
	for end := time.Now().Add(20 * time.Second); n.overrides()[0].Asked == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody knows how many clients still ask")
		}
	}
	if line := n.overrides()[0].Asked.line(); !strings.Contains(line, "about 0 clients still ask") {
		t.Error(line)
	}
	drained(b, false)
	if err := command("undrain?member=a&reason=done"); err != nil {
		t.Fatal(err)
	}
	drained(a, false)
	if was := n.overrides()[0]; !was.Active || was.Asked != nil {
		t.Errorf("who asks is told of a drain that is over: %+v", was)
	}

	// Nobody without a token of a member, and no word over plain HTTP.
	for _, token := range []string{"", "short", "cccccccccccccccc", "a"} {
		f := respondFlags{node: at, nodeToken: file("token", "0123456789abcdef"), nodeCA: files.Cert}
		node, err := f.poolNode()
		if err != nil {
			t.Fatal(err)
		}
		node.token = token
		if _, err := node.ask(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("token %q: %v", token, err)
		}
		node.client.CloseIdleConnections()
	}
	for _, f := range []respondFlags{{node: "http://127.0.0.1"}, {node: "https://"}, {node: at, nodeToken: "/nonexistent"}, {node: at, nodeToken: files.Key, nodeCA: c.Registry}} {
		if _, err := f.poolNode(); err == nil {
			t.Errorf("%+v passes", f)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
