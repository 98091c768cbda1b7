package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor/responder"
)

// responding is a responder at work.
type responding struct {
	flags   *respondFlags
	clock   *responder.Clock
	server  *responder.Server
	watcher *watcher // of the files that flags name
	leaps   atomic.Pointer[responder.Leaps]
	node    *poolNode
	nodeErr string // what is known to be wrong with it
	log     *slog.Logger
}

// responding is a responder as the flags have it; nothing is bound.
func (f *respondFlags) responding(log *slog.Logger) (*responding, error) {
	if f.server.Listen == nil {
		f.server.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:123"), netip.MustParseAddrPort("[::]:123")}
	}
	f.server.Sockets, f.server.Interleave, f.server.Precede = runtime.GOMAXPROCS(0), 1<<17, true
	switch {
	case f.limit.Rate < 1 || f.limit.Burst < 1:
		return nil, errors.New("--rate, --burst: want at least 1; --no-limit limits nobody")
	case f.smear && f.leaps == "":
		return nil, errors.New("--smear: needs --leap-file, to know when")
	case f.metrics.IsValid() && !f.metrics.Addr().IsLoopback(): // a scraper elsewhere comes through a proxy that says who may
		return nil, fmt.Errorf("--metrics %s: wants a loopback address and port such as 127.0.0.1:9123", f.metrics)
	case f.print != "" && f.print != "chrony-conf":
		return nil, fmt.Errorf("--print %q: wants chrony-conf", f.print)
	}
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	if !f.noLimit {
		f.server.Limiter = responder.NewLimiter(f.limit, time.Now())
	}
	r := &responding{flags: f, server: &f.server, clock: responder.NewClock(responder.Precision(), log, sources...), log: log}
	r.clock.Smear, r.clock.Leaps, r.server.State = f.smear, r.leaps.Load, r.clock.State
	r.watcher = newWatcher(func() []string { return []string{f.leaps, f.nodeToken, f.nodeCA} })
	return r, r.read()
}

// read reads the files that the flags name. Of one that is bad, which the error
// names, stands what was read before.
func (r *responding) read() error {
	leaps, err := readLeaps(r.flags.leaps)
	if err == nil {
		r.leaps.Store(leaps)
	}
	node, err2 := r.flags.poolNode()
	if err2 == nil {
		if r.node != nil {
			r.node.client.CloseIdleConnections()
		}
		r.node = node
	}
	return errors.Join(err, err2)
}

// readLeaps reads a leap-seconds.list; nil for "".
func readLeaps(path string) (*responder.Leaps, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("leap file: %w", err)
	}
	defer file.Close()
	l, err := responder.ReadLeaps(file)
	if err != nil {
		return nil, fmt.Errorf("leap file %s: %w", path, err)
	}
	return l, nil
}

// run answers until ctx ends.
func (r *responding) run(ctx context.Context, socket string) error {
	// A loop that waits in the kernel keeps its processor; these are for the rest.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, r.server.Sockets) * (1 + len(r.server.Listen))))
	serving := make(map[net.Listener]*http.Server)
	defer func() {
		for l := range serving {
			l.Close()
		}
	}()
	if socket != "" {
		l, err := listenSocket(socket)
		if err != nil {
			return err
		}
		serving[l] = r.controls()
	}
	if at := r.flags.metrics; at.IsValid() {
		l, err := net.Listen("tcp", at.String())
		if err != nil {
			return fmt.Errorf("--metrics: %w", err)
		}
		serving[l] = r.metricsServer()
	}
	r.clock.Poll(ctx) // so that the first answer is an honest one
	if err := r.server.Open(); err != nil {
		return err
	}
	r.log.Info("answering NTP", "listen", r.server.Addrs())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.clock.Run(ctx) })
	g.Go(func() error { return r.server.Run(ctx) })
	g.Go(func() error { return r.watcher.run(ctx) })
	g.Go(func() error { return r.attend(ctx, announceEvery) })
	for l, s := range serving {
		g.Go(func() error { return serveHTTP(ctx, s, l, r.log) })
	}
	return g.Wait()
}

// attend does until ctx ends what is no hurry: systemd has a status line, the
// node is asked, and files that were edited are read again.
func (r *responding) attend(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+r.status().line()); err != nil {
			r.log.Debug("systemd was not told", "error", err) // which says so itself
		}
		r.obey(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-r.watcher.edits:
			if err := r.read(); err != nil {
				r.log.Error("cannot be read again, what was read before stays in force", "error", err)
			} else {
				r.log.Info("files read again", "leap_file", r.flags.leaps, "node_token", r.flags.nodeToken, "node_ca", r.flags.nodeCA)
			}
		case <-tick.C:
		}
	}
}
