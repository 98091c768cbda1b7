package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Every way in which editors and tools put a file in place is one edit, told
// once it is over; what else happens in the folder is none.
func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	link := func(to, name string) {
		t.Helper()
		os.Remove(name)
		if err := os.Symlink(to, name); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	pool, old := writeFile(t, at("etc", "pool.yaml"), "1"), time.Now().Add(-time.Hour)
	writeFile(t, at("1", "timepool.secrets"), "1")
	writeFile(t, at("22", "timepool.secrets"), "2")
	link(at("1"), at("current"))
	link(at("current", "timepool.secrets"), at("etc", "secrets"))
	n := &node{config: Config{Registry: pool}}
	n.config.DNS.CookieSecrets = at("etc", "secrets")
	w := newWatcher(n.watchedFiles)
	for _, e := range []struct {
		name string
		make func()
	}{
		{"written in place", func() { writeFile(t, pool, "22") }},
		{"renamed over", func() { os.Rename(writeFile(t, at("etc", "tmp"), "33"), pool) }},
		{"renamed over, of the same size and time", func() {
			info, err := os.Stat(pool)
			if err != nil {
				t.Fatal(err)
			}
			os.Chtimes(writeFile(t, at("etc", "tmp"), "44"), old, info.ModTime())
			os.Rename(at("etc", "tmp"), pool)
		}},
		{"members.d made", func() { writeFile(t, at("etc", "members.d", "a.yaml"), "4") }},
		{"written in members.d", func() { writeFile(t, at("etc", "members.d", "b.yaml"), "5") }},
		{"let be read", func() { os.Chmod(at("etc", "members.d", "b.yaml"), 0o400) }},
		{"removed", func() { os.Remove(at("etc", "members.d", "a.yaml")) }},
		{"a folder swapped behind a link", func() { link(at("22"), at("current")) }},
	} {
		e.make()
		for look, want := range []bool{false, true, false, false} {
			if w.edited() != want {
				t.Errorf("%s: look %d is not %v", e.name, look, want)
			}
		}
	}
	writeFile(t, at("etc", "timepool.db"), "not ours")
	writeFile(t, at("etc", "members.d", "README"), "not read")
	for range 3 {
		if w.edited() {
			t.Error("another file in the folder counts as an edit")
		}
	}
	told := 0
	for i := range 2 * watchLooks {
		writeFile(t, pool, strings.Repeat("x", 10+i))
		if w.edited() {
			told++
		}
	}
	if told != 2 {
		t.Errorf("an edit that never ends was told %d times", told)
	}
}

// Edits that nobody takes meanwhile are one.
func TestWatcherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := writeFile(t, filepath.Join(t.TempDir(), "pool.yaml"), "1")
		w := newWatcher(func() []string { return []string{pool} })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.run(ctx) }()
		for _, text := range []string{"22", "333"} {
			writeFile(t, pool, text)
			time.Sleep(3 * watchEvery)
		}
		<-w.edits
		time.Sleep(3 * watchEvery)
		if len(w.edits) > 0 {
			t.Error("told twice")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
