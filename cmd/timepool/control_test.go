package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server that ends waits for what it began, also for what takes no heed.
func TestServeHTTPOutlivesNobody(t *testing.T) {
	var ended atomic.Bool
	began := make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		time.Sleep(1200 * time.Millisecond) // longer than Shutdown is given
		ended.Store(true)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- serveHTTP(ctx, s, l, slog.New(slog.DiscardHandler)) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-began
	cancel()
	if err := <-done; err != nil || !ended.Load() {
		t.Errorf("%v; the handler has ended: %v", err, ended.Load())
	}
}

// What a crash left is replaced, a node's own socket is not, nor another file.
func TestListenSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "s")
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), path+": another timepool answers") {
		t.Errorf("beside a node: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = listenSocket(path); err != nil {
		t.Fatalf("after a crash: %v", err)
	}
	l.Close()
	if _, err := listenSocket(writeFile(t, path, "")); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("another file: %v", err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Error("it is removed")
	}
}

// A node that does not know a call is named, and so is the call.
func TestAskNamesWhom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- serveHTTP(ctx, controlServer(http.NewServeMux()), l, slog.New(slog.DiscardHandler)) }()
	var out any
	if err := askSocket(ctx, path, "GET", "forecast", &out); err == nil || !strings.Contains(err.Error(), "socket "+path+": /api/v1/forecast: 404") {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
