package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// running returns a node that serves until the test ends, its DNS open.
func running(t *testing.T, c Config, static bool) *node {
	t.Helper()
	n, err := openNode(c, static, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- n.run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(20 * time.Second); !n.dnsOpen.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("DNS never opened")
		}
	}
	return n
}

func TestReloadsAreRemembered(t *testing.T) {
	n := measuring(t, true)
	if n.view().Reloads != nil {
		t.Error("there was none")
	}
	for range reloadsKept + 5 {
		if !n.inLoop(t.Context(), func() { n.reload(false) }) {
			t.Fatal("the node ended")
		}
	}
	if all := n.view().Reloads; len(all) != reloadsKept || all[0].Time.Before(all[1].Time) {
		t.Errorf("%d remembered: %+v", len(all), all)
	}
}

// A node that has ended left no goroutine, whoever was still connected to it, and
// another may take its place.
func TestNodeLeavesNobody(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	c := defaultConfig()
	c.Data, c.Socket = dir, filepath.Join(dir, "s")
	c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), "zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}\nmembers: [{name: a, addresses: [127.90.0.1]}]\n")
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.HTTP.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	c.Probe.Timeout, c.Probe.Samples = 50*time.Millisecond, 1
	for range 2 {
		n, err := openNode(c, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- n.run(ctx, nil) }()
		if !n.inLoop(t.Context(), func() {}) { // it runs
			t.Fatal("the node ended")
		}
		var conns []net.Conn
		for network, at := range map[string]string{"unix": c.Socket, "tcp": n.httpListener.Addr().String()} {
			conn, err := net.Dial(network, at)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, conn := range conns {
			conn.Close()
		}
	}
}
