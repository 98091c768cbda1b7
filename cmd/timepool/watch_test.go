package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Every way in which editors and tools put a file in place is one edit; what
// else happens in the folder is none.
func TestWatcher(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	pool := writeFile(t, filepath.Join(dir, "pool.yaml"), "1")
	w, err := newWatcher([]string{pool, filepath.Join(dir, "members.d", "*.yaml")}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.run(ctx) }()
	edits := []struct {
		name string
		make func()
	}{
		{"written in place", func() { writeFile(t, pool, "2") }},
		{"renamed over", func() {
			if err := os.Rename(writeFile(t, filepath.Join(dir, "tmp"), "3"), pool); err != nil {
				t.Fatal(err)
			}
		}},
		{"members.d made", func() { writeFile(t, filepath.Join(dir, "members.d", "a.yaml"), "4") }},
		{"written in members.d", func() { writeFile(t, filepath.Join(dir, "members.d", "b.yaml"), "5") }},
		{"removed", func() { os.Remove(filepath.Join(dir, "members.d", "a.yaml")) }},
		{"a mounted folder swapped", func() { writeFile(t, filepath.Join(dir, "..data"), "6") }},
	}
	for _, e := range edits {
		e.make()
		select {
		case <-w.edits:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: no edit seen", e.name)
		}
		if len(w.edits) > 0 {
			t.Errorf("%s: seen twice", e.name)
		}
	}
	writeFile(t, filepath.Join(dir, "timepool.db"), "not ours")
	time.Sleep(2 * editQuiet)
	if len(w.edits) > 0 {
		t.Error("another file in the folder counts as an edit")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A registry that is a link into another folder sends no event here.
func TestWatcherFollowsLinks(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	for _, release := range []string{"1", "22"} {
		writeFile(t, filepath.Join(dir, release, "pool.yaml"), release)
	}
	current, pool := filepath.Join(dir, "current"), filepath.Join(dir, "etc", "pool.yaml")
	link := func(to, name string) {
		t.Helper()
		os.Remove(name)
		if err := os.Symlink(to, name); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	link(filepath.Join(dir, "1"), current)
	if err := os.Mkdir(filepath.Dir(pool), 0o700); err != nil {
		t.Fatal(err)
	}
	link(filepath.Join(current, "pool.yaml"), pool)
	w, err := newWatcher([]string{pool}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.poll = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.run(ctx) }()
	before := w.look()
	link(filepath.Join(dir, "22"), current)
	if w.look() == before {
		t.Fatal("the two look the same")
	}
	select {
	case <-w.edits:
	case <-time.After(20 * time.Second):
		t.Fatal("no edit seen")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
