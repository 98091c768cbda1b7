package main

import (
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// A listener that fails ends the serving, whoever is still connected.
func TestServeHTTPOnAFailedListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(accepted) })}
	ended := make(chan error, 1)
	go func() { ended <- serveHTTP(t.Context(), s, l, slog.New(slog.DiscardHandler)) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-accepted
	l.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no word of the listener")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for who is connected")
	}
}
