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
