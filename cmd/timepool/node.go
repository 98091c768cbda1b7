package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// node is one running timepool: the rooms, wired. Everything it decides stands
// in one generation, which the publish loop alone replaces.
type node struct {
	config  Config
	log     *slog.Logger
	started time.Time

	processors int // of the scheduler's, before run

	history *monitor.History // nil when static: nobody is probed
	board   *monitor.Board   // nil when static
	prober  *monitor.Prober  // nil when static
	dns     *resolver.Server
	watcher *watcher

	inForce  atomic.Pointer[generation]
	dnsOpen  atomic.Bool
	asked    sync.Map         // by member: *asked
	checks   [3]atomic.Uint64 // by monitor.Outcome
	asks     chan func()      // for the publish loop to do
	lastTold atomic.Pointer[told]

	httpListener   net.Listener // nil without pages
	socketListener net.Listener
	demo           http.HandlerFunc // the demonstration's own call on the socket; nil without
}

// openNode loads what the node file names and binds what can be bound early,
// so that every fault of configuration is told before anything is served.
func openNode(c Config, static bool, log *slog.Logger) (_ *node, err error) {
	n := &node{config: c, log: log, started: time.Now(), processors: runtime.GOMAXPROCS(0), asks: make(chan func())}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.watcher = newWatcher(n.watchedFiles) // before they are read, so that no edit falls between
	in, err := c.read(inputs{})
	if err != nil {
		return nil, err
	}
	if err := resolver.CheckListen(c.DNS.Listen, c.DNS.TLS.Listen); err != nil {
		return nil, err
	}
	g := generation{inputs: in, number: 1}
	if !static {
		if g.record, err = n.openMonitor(); err != nil {
			return nil, err
		}
	}
	if n.socketListener, err = listenSocket(c.Socket); err != nil {
		return nil, err
	}
	if !c.HTTP.Off {
		if n.httpListener, err = net.Listen("tcp", c.HTTP.Listen.String()); err != nil {
			return nil, fmt.Errorf("http: %w", err)
		}
		if in.httpTLS != nil {
			n.httpListener = tls.NewListener(n.httpListener, n.tls(func(g *generation) *tls.Certificate { return g.httpTLS }, "http/1.1"))
		}
	}
	n.dns = resolver.NewServer(resolver.Config{
		Listen: c.DNS.Listen, Loops: n.processors, Precede: true, TCP: resolver.TCPLimits{Connections: c.DNS.TCPConnections},
		TLSListen: c.DNS.TLS.Listen, TLS: n.tls(func(g *generation) *tls.Certificate { return g.dnsTLS }, "dot"), Limits: c.DNS.limits(), Log: log,
	})
	g.serial = loadSerial(n.serialPath(), log)
	return n, n.publish(g)
}

// openMonitor opens the history, of which it returns the overrides, and makes
// board and prober over it.
func (n *node) openMonitor() (record []zones.Override, err error) {
	p := n.config.Probe
	if n.history, err = monitor.OpenHistory(n.config.historyFile(), n.config.historyOptions(n.log)); err != nil {
		return nil, err
	}
	rows, err := n.history.Rows()
	if err != nil {
		return nil, err
	}
	n.board = monitor.NewBoard(monitor.BoardOptions{
		Vantage: n.config.Vantage, Interval: p.Interval, Rows: rows, Keep: n.history.Put, Own: n.config.own,
		References: n.config.References,
		Smeared: func(at time.Time, offset time.Duration) time.Duration {
			return n.inForce.Load().leaps.Smeared(at, offset)
		},
	})
	n.prober = &monitor.Prober{
		Vantage: n.config.Vantage, Interval: p.Interval, Gap: p.Gap, Timeout: p.Timeout, Samples: p.Samples,
		Port: p.Port, Parallel: p.Parallel, Rate: p.Rate, Device: p.Interface, Map: make(map[netip.Addr]netip.AddrPort), Log: n.log,
		Record: func(s monitor.Sample) monitor.Row { n.checks[s.Outcome].Add(1); return n.board.Record(s) }, Last: n.board.Last,
	}
	for _, m := range p.Map {
		n.prober.Map[m.Address] = m.To
	}
	for _, source := range p.Source {
		if source.Is4() {
			n.prober.Source4 = source
		} else {
			n.prober.Source6 = source
		}
	}
	return n.history.Overrides()
}

// run serves until ctx ends; each of hangups has the registry read again, as
// daemons do. It returns once every goroutine is gone.
func (n *node) run(ctx context.Context, hangups <-chan os.Signal) error {
	defer n.close()
	// The loops wait for queries in the kernel, and keep a processor meanwhile. With
	// as many again a build has all there are, and only the kernel, which lets those
	// in first that mostly sleep, says who may run.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n.processors * (1 + max(1, len(n.config.DNS.Listen)))))
	g, ctx := errgroup.WithContext(ctx)
	if n.board != nil {
		n.prober.Eager = !n.board.Trusted()
		g.Go(func() error { return n.history.Run(ctx) })
		g.Go(func() error { return n.board.Run(ctx) })
		g.Go(func() error { return n.prober.Run(ctx) })
	}
	g.Go(func() error { return n.watcher.run(ctx) })
	g.Go(func() error { return n.publishLoop(ctx, g, hangups) })
	calls, pages := n.handlers()
	g.Go(func() error { return serveHTTP(ctx, calls, n.socketListener, n.log) })
	if n.httpListener != nil {
		n.log.Info("pages", "listen", n.httpListener.Addr(), "tls", n.config.HTTP.TLS.Cert != "")
		g.Go(func() error { return serveHTTP(ctx, pages, n.httpListener, n.log) })
	}
	return g.Wait()
}

// close lets go of what openNode took; run's components close their own.
func (n *node) close() {
	for _, l := range []net.Listener{n.socketListener, n.httpListener} {
		if l != nil {
			l.Close()
		}
	}
	if n.history != nil {
		n.history.Close()
	}
}

// watchMembers tells prober and board whom to measure: all but those that are off.
func (n *node) watchMembers(r *zones.Registry) {
	if n.board == nil {
		return
	}
	addrs := slices.Clone(n.config.References)
	for i := range r.Members {
		if r.Members[i].State != zones.Off {
			addrs = append(addrs, r.Members[i].Addresses...)
		}
	}
	n.board.Watch(r)
	n.prober.Watch(addrs)
}

// scores is the board's verdict, or without a monitor everybody at the top.
func (n *node) scores(r *zones.Registry) zones.Scores {
	if n.board != nil {
		return n.board.Scores()
	}
	scores := make(zones.Scores)
	for _, m := range r.Members {
		for _, addr := range m.Addresses {
			scores[addr] = zones.Score{Value: 20, Standing: zones.In, Since: n.started, Why: "static: not measured"}
		}
	}
	return scores
}
