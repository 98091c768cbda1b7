package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// leapList is a leap-seconds.list that expires so long after its last leap second.
func leapList(expires time.Duration) string {
	const last, second = 2287785600, time.Second
	at := last + int64(expires/second)
	sum := sha1.Sum(fmt.Appendf(nil, "%d%d%d%d%d", at, 2272060800, 10, last, 11))
	return fmt.Sprintf("#@ %d\n2272060800 10\n%d 11\n#h %x %x %x %x %x\n", at, last, sum[:4], sum[4:8], sum[8:12], sum[12:16], sum[16:])
}

// heard is a log that is read while it is written.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(b)
}

func (h *heard) holds(words ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.Lines(h.text.String()) {
		missing := 0
		for _, w := range words {
			if !strings.Contains(line, w) {
				missing++
			}
		}
		if missing == 0 {
			return true
		}
	}
	return false
}

// A member's token goes to the node that was named, and nowhere else.
func TestTokenIsNotRedirected(t *testing.T) {
	var leaked atomic.Bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.URL.Path != announcePath)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	f := &respondFlags{node: s.URL, nodeToken: writeFile(t, filepath.Join(t.TempDir(), "token"), "aaaaaaaaaaaaaaaa")}
	f.nodeCA = writeFile(t, filepath.Join(t.TempDir(), "ca"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	node, err := f.poolNode()
	if err != nil {
		t.Fatal(err)
	}
	defer node.client.CloseIdleConnections()
	if _, err := node.ask(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "302") || leaked.Load() {
		t.Errorf("%v, leaked %v", err, leaked.Load())
	}
}

// The files that a responder was given are read again once they were edited; of
// a bad one, which the log names, stands what was read before.
func TestRespondReadsFilesAgain(t *testing.T) {
	const day = 24 * time.Hour
	dir, log := t.TempDir(), &heard{}
	files := TLSConfig{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	certify(t, files, 1)
	f := &respondFlags{source: []string{"stated"}, refid: "GPS", noLimit: true, node: "https://127.0.0.1:9", nodeCA: files.Cert}
	f.limit.Rate, f.limit.Burst = 1, 1
	f.leaps = writeFile(t, filepath.Join(dir, "leap-seconds.list"), leapList(day))
	f.nodeToken = writeFile(t, filepath.Join(dir, "token"), "aaaaaaaaaaaaaaaa")
	r, err := f.responding(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.watcher.every = 2 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.watcher.run(ctx) })
	g.Go(func() error { return r.attend(ctx, time.Hour) })
	stop := sync.OnceFunc(func() {
		if cancel(); g.Wait() != nil {
			t.Error("it failed")
		}
	})
	defer stop()
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never %s:\n%s", what, log.text.String())
			}
		}
	}
	expired := func(date string) func() bool {
		return func() bool {
			r.clock.Poll(t.Context())
			return strings.Contains(fmt.Sprint(r.clock.Announced().Why), "the leap file expired on "+date)
		}
	}
	first, second := expired("1972-07-02"), expired("1972-07-03")
	until("read", first)
	writeFile(t, f.leaps, leapList(2 * day)[:40])
	until("told of the cut file", func() bool { return log.holds("level=ERROR", f.leaps, "cut or edited", "stays in force") })
	if !first() {
		t.Error("a cut file has taken the place of a good one")
	}
	writeFile(t, f.nodeToken, "short")
	until("told of the short token", func() bool { return log.holds("level=ERROR", f.nodeToken, "16 characters") })
	writeFile(t, f.leaps, leapList(2*day)) // the other file is bad still
	until("read again", second)
	writeFile(t, f.nodeToken, "bbbbbbbbbbbbbbbb")
	until("read again", func() bool { return log.holds("level=INFO", "files read again", f.leaps, f.nodeToken) })
	stop()
	if r.node.token != "bbbbbbbbbbbbbbbb" {
		t.Errorf("token %q", r.node.token)
	}
}
