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
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/responder"
	"github.com/timepool/timepool/monitor/web"
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
	reloads  atomic.Pointer[[]Reload] // newest first
	dnsOpen  atomic.Bool
	asked    sync.Map         // by member: asked
	checks   [3]atomic.Uint64 // by monitor.Outcome
	asks     chan func()      // for the publish loop to do
	lastTold atomic.Pointer[told]

	httpListener   net.Listener // nil without pages
	socketListener net.Listener
	extra          map[string]http.HandlerFunc // the demonstration's own calls on the socket
	onPublish      func()                      // called after each publish; may be nil
}

// generation is what is in force together.
type generation struct {
	number    uint64
	base      *zones.Registry  // as it was read
	record    []zones.Override // oldest first
	registry  *zones.Registry  // base with the overrides and maintenance windows of now …
	changes   time.Time        // … and when those change next; zero: never
	geoip     geoFile
	leaps     *responder.Leaps // nil: none are known
	cookies   []resolver.Secret
	transfers resolver.Transfers
	atlas     *zones.Atlas
	scores    zones.Scores
	serial    serialState
	serialDue time.Time // a change of the static view waits until then for its serial; zero: none does
	snapshot  *resolver.Snapshot
	published time.Time
}

// openNode loads what the node file names and binds what can be bound early,
// so that every fault of configuration is told before anything is served.
func openNode(c Config, static bool, log *slog.Logger) (*node, error) {
	n := &node{config: c, log: log, started: time.Now(), processors: runtime.GOMAXPROCS(0), asks: make(chan func())}
	if err := n.open(static); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *node) open(static bool) error {
	c, log := n.config, n.log
	var err error
	if n.watcher, err = newWatcher(n.watchedPaths(), log); err != nil { // before the first look, so that no edit falls between
		return err
	}
	var registry *zones.Registry
	var geoip geoFile
	var reading errgroup.Group // each takes about as long as the other
	reading.Go(func() (err error) { registry, err = zones.Load(c.Registry); return err })
	reading.Go(func() (err error) { geoip, err = openGeoFile(c.GeoIP); return err })
	if err := reading.Wait(); err != nil {
		return fail(exitInvalid, err)
	}
	n.warn(registry)
	leaps, err := readLeaps(c.LeapFile)
	if err != nil {
		return fail(exitInvalid, err)
	}
	cookies, err := readSecrets(c.DNS.CookieSecrets, nil)
	if err != nil {
		return fail(exitInvalid, err)
	}
	transfers, err := c.DNS.Transfer.transfers()
	if err != nil {
		return fail(exitInvalid, err)
	}
	if err := resolver.CheckListen(c.DNS.Listen, c.DNS.TLS.Listen); err != nil {
		return err
	}
	if !static {
		if n.history, err = monitor.OpenHistory(c.historyFile(), c.historyOptions(log)); err != nil {
			return err
		}
		if err := n.openMonitor(); err != nil {
			return err
		}
	}
	if n.socketListener, err = listenSocket(c.Socket); err != nil {
		return err
	}
	if !c.HTTP.Off {
		if n.httpListener, err = net.Listen("tcp", c.HTTP.Listen.String()); err != nil {
			return fmt.Errorf("http: %w", err)
		}
		if n.httpListener, err = n.secured(n.httpListener); err != nil {
			return err
		}
	}
	overTLS, err := n.dnsTLS()
	if err != nil {
		return err
	}
	n.dns = resolver.NewServer(resolver.Config{
		Listen: c.DNS.Listen, Loops: n.processors, Precede: true, TCP: resolver.TCPLimits{Connections: c.DNS.TCPConnections},
		TLSListen: c.DNS.TLS.Listen, TLS: overTLS, Limits: c.DNS.limits(), Log: log,
	})
	serial := loadSerial(n.serialPath(), log)
	g := generation{number: 1, base: registry, geoip: geoip, leaps: leaps, cookies: cookies, transfers: transfers, serial: serial}
	if n.history != nil {
		if g.record, err = n.history.Overrides(); err != nil {
			return err
		}
	}
	g.registry, g.changes = registry.At(time.Now(), g.record)
	n.watchMembers(g.registry)
	return n.publish(g)
}

// openMonitor makes board and prober over the opened history.
func (n *node) openMonitor() error {
	p := n.config.Probe
	rows, err := n.history.Rows()
	if err != nil {
		return err
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
	return nil
}

// run serves until ctx ends; each of hangups has the registry read again, as
// daemons do. It returns once every goroutine is gone.
func (n *node) run(ctx context.Context, hangups <-chan os.Signal) error {
	defer n.close()
	// The loops wait for queries in the kernel, and a build takes all processors.
	// With as many again a loop that wakes finds one at once, and only the kernel,
	// which lets those in first that mostly sleep, says who may run.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * n.processors))
	g, ctx := errgroup.WithContext(ctx)
	if n.board != nil {
		n.prober.Eager = !n.board.Trusted()
		g.Go(func() error { return n.history.Run(ctx) })
		g.Go(func() error { return n.board.Run(ctx) })
		g.Go(func() error { return n.prober.Run(ctx) })
	}
	g.Go(func() error { return n.watcher.run(ctx) })
	g.Go(func() error { return n.publishLoop(ctx, g, hangups) })
	g.Go(func() error { return serveHTTP(ctx, n.controlServer(), n.socketListener, n.log) })
	if n.httpListener != nil {
		n.log.Info("http", "url", n.scheme()+n.httpListener.Addr().String()+"/")
		g.Go(func() error {
			return serveHTTP(ctx, web.NewServer(n.announce(web.Handler(n.view, n.webOptions()))), n.httpListener, n.log)
		})
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
	if n.watcher != nil {
		n.watcher.notify.Close()
	}
	if n.history != nil {
		n.history.Close()
	}
}

// serveHTTP serves until ctx ends, then gives requests under way a second.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener, log *slog.Logger) error {
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
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

func (n *node) warn(r *zones.Registry) {
	for _, w := range r.Warnings {
		n.log.Warn("registry", "warning", w)
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
