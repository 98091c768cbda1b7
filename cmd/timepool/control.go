package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/timepool/timepool/monitor/web"
)

// callPath is where everything stands that can be asked of a node, on the
// socket as over HTTP.
const callPath = "/api/v1/"

// handlers serves the unix socket, and the pages. The socket has what the pages
// have, and beside that what changes something and what is told to the command
// line alone: who may open it may control the node, there is no other check.
// Over HTTPS who has the token may do the same by POST.
func (n *node) handlers() (calls, pages *http.Server) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+callPath+"reload", n.handleReload)
	for _, v := range overrideVerbs {
		mux.HandleFunc("POST "+callPath+v.verb, n.handleOverride(v.state, v.lifts))
	}
	mux.HandleFunc("GET "+callPath+"overrides", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.overrides()) })
	mux.HandleFunc("GET "+callPath+"what-if", n.handleWhatIf)
	mux.HandleFunc("GET "+callPath+"history", n.handleHistory)
	mux.HandleFunc("GET "+callPath+"backup", n.handleBackup)
	if n.demo != nil {
		mux.HandleFunc("POST "+callPath+"demo", n.demo)
	}
	o := web.Options{
		Hosts: n.config.HTTP.Hosts, Metrics: n.metricsHandler(), History: n.history, Ask: n.dns.Ask,
		Explain: func(client, name string) (any, error) { return n.explain(client, name) },
	}
	if path := n.config.HTTP.Token; path != "" {
		o.Token = func() (string, error) { return readToken(path) }
		o.Control = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.log.Info("called over https", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
			mux.ServeHTTP(w, r)
		})
	}
	h := web.Handler(n.view, o)
	mux.Handle("GET /", h)
	return controlServer(mux), web.NewServer(n.announce(h))
}

// controlServer answers on a unix socket.
func controlServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ConnContext: withPeer}
}

// serveHTTP serves until ctx ends, then gives requests under way a second. It
// returns once their goroutines are gone, for which Shutdown and Close do not wait.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener, log *slog.Logger) error {
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	var conns sync.WaitGroup
	s.ConnState = func(_ net.Conn, is http.ConnState) {
		switch is {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed:
			conns.Done()
		}
	}
	defer conns.Wait()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		s.Close() // or those who are connected would be waited for
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown(last) != nil {
		s.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the command line went away: nothing to do
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": why})
}

// listenSocket makes the unix socket that the command line talks to. Who may
// open it may control the node, so it is for its owner and group only (0660).
// A socket left by a crash is replaced; where somebody listens, it is another
// node's, though that may be too busy to answer or not be ours to ask.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("socket %s: something else has that name", path)
		}
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
		}
		if err == nil || os.IsTimeout(err) || errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("socket %s: another timepool answers on it", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

type peerKey struct{}

// withPeer notes in a connection's context who is on the other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid, name := peerUID(c), "somebody"
	if uid >= 0 {
		name = fmt.Sprintf("uid %d", uid)
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			name = fmt.Sprintf("%s (%s)", u.Username, name)
		}
	}
	return context.WithValue(ctx, peerKey{}, name)
}

// peerOf is whom withPeer noted: "root (uid 0)". Over HTTPS a token is all there is.
func peerOf(ctx context.Context) string {
	if name, ok := ctx.Value(peerKey{}).(string); ok {
		return name
	}
	return "token over https"
}
