package main

import (
	"context"
	"log/slog"
	"testing"
	"time"
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
	n := new(node)
	if n.lastReload() != nil {
		t.Error("there was none")
	}
	for i := range reloadsKept + 5 {
		n.remember(Reload{Generation: uint64(i)})
	}
	if all := n.remembered(); len(all) != reloadsKept || all[0].Generation != reloadsKept+4 || n.lastReload().Generation != reloadsKept+4 {
		t.Errorf("%d remembered, the last %+v", len(all), n.lastReload())
	}
}
