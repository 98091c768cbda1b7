package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor/responder"
)

// respondFlags are the settings of the responder. It has no file: a member
// host should need none.
type respondFlags struct {
	listen  []string
	source  []string
	chrony  netip.AddrPort
	daemon  netip.AddrPort
	stratum uint8
	refid   string
	error   time.Duration
	leaps   string
	smear   bool
	noLimit bool
	rate    int
	burst   int
	exempt  []string
	allow   []string
	deny    []string
	metrics netip.AddrPort
	check   bool
	print   string
	status  bool
	drain   time.Duration
	undrain bool
	reason  string

	node, nodeToken, nodeCA string

	log LogConfig
}

func (a *app) respondCommand() *cobra.Command {
	f := &respondFlags{}
	c := command("respond", "Answer NTP on a member host from its own clock", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		switch {
		case f.print != "":
			return f.printConf(a.out)
		case f.check:
			return f.announce(ctx, a)
		case f.status, f.undrain, f.drain != 0:
			return f.command(ctx, a)
		}
		return f.run(ctx, a.socket, newLogger(a.errs, f.log))
	})
	c.Long = `Answer NTP on a member host from its own clock. What is announced comes from
the sources named, the first that answers; with none it announces itself
unsynchronised, and never a stratum that nobody vouches for:

  chrony   the local chronyd's command port (the default)
  daemon   another NTP server on this host (--daemon)
  kernel   the kernel's clock state; needs --stratum and --refid
  stated   this host is a stratum 1 with the reference --refid, right within --error`
	flags := c.Flags()
	flags.StringSliceVar(&f.listen, "listen", []string{"0.0.0.0:123", "[::]:123"}, "addresses and ports to answer on")
	flags.StringSliceVar(&f.source, "source", []string{"chrony"}, "who knows how good the clock is, in order: chrony, daemon, kernel, stated")
	flags.TextVar(&f.chrony, "chrony", netip.MustParseAddrPort("127.0.0.1:323"), "chronyd's command port, for --source chrony")
	flags.TextVar(&f.daemon, "daemon", netip.MustParseAddrPort("127.0.0.1:123"), "the NTP server, for --source daemon")
	flags.Uint8Var(&f.stratum, "stratum", 0, "stratum to announce, for --source kernel")
	flags.StringVar(&f.refid, "refid", "", "reference, for --source kernel or stated: GPS, PPS, or the upstream's address")
	flags.DurationVar(&f.error, "error", time.Millisecond, "largest error of the clock, for --source stated")
	flags.StringVar(&f.leaps, "leap-file", "", "leap-seconds.list to announce leap seconds from, beside what the source announces; read once")
	flags.BoolVar(&f.smear, "smear", false, "announce no leap second: spread it from noon to noon UTC, and show so by references of 254.0.0.0/8; needs --leap-file, and clients that follow nobody else")
	flags.BoolVar(&f.noLimit, "no-limit", false, "answer every client as often as it asks")
	flags.IntVar(&f.rate, "rate", 200, "requests a second that one IPv4 address or IPv6 /64 may send; the networks around it a multiple")
	flags.IntVar(&f.burst, "burst", 8000, "requests that it may send at once")
	flags.StringSliceVar(&f.exempt, "exempt", nil, "networks that are never limited, such as the pool's vantages")
	flags.StringSliceVar(&f.allow, "allow", nil, "networks to answer, and nobody else; where --deny has a longer one, that one decides")
	flags.StringSliceVar(&f.deny, "deny", nil, "networks not to answer; where --allow has a longer one, that one decides")
	flags.BoolVar(&f.check, "check", false, "tell what would be announced and why, and end: with 1 where that is unsynchronised")
	flags.StringVar(&f.print, "print", "", "chrony-conf: what to write into chrony.conf where chronyd itself is to be the member")
	flags.TextVar(&f.metrics, "metrics", netip.AddrPort{}, "loopback address and port for Prometheus to scrape, such as 127.0.0.1:9123")
	flags.BoolVar(&f.status, "status", false, "ask the running responder, on --socket, how it is: 1 where it is unsynchronised and not drained")
	flags.DurationVar(&f.drain, "drain", 0, "have the running responder announce itself unsynchronised for so long, 24h at most, so that its clients leave")
	flags.BoolVar(&f.undrain, "undrain", false, "end what --drain began")
	flags.StringVar(&f.reason, "reason", "", "why, for people, with --drain")
	flags.StringVar(&f.node, "node", "", "https://host:port of the pool's node, to be asked whether timepool drain --active is in force for this member; nobody is asked unless given")
	flags.StringVar(&f.nodeToken, "node-token", "", "file with this member's token for --node")
	flags.StringVar(&f.nodeCA, "node-ca", "", "PEM file of certificates to trust for --node (default: the system's)")
	c.MarkFlagsMutuallyExclusive("print", "check", "status", "drain", "undrain")
	flags.StringVar(&f.log.Level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&f.log.Format, "log-format", "text", "text or json")
	return c
}

// run answers until ctx ends; socket is where it is controlled, "" nowhere.
func (f *respondFlags) run(ctx context.Context, socket string, log *slog.Logger) (err error) {
	sources, err := f.sources()
	if err != nil {
		return fail(exitUsage, err)
	}
	r := &responding{log: log}
	if r.server, err = f.server(); err != nil {
		return fail(exitUsage, err)
	}
	node, err := f.poolNode()
	if err != nil {
		return fail(exitUsage, err)
	}
	var listeners []net.Listener
	var servers []*http.Server
	add := func(l net.Listener, s *http.Server) { listeners, servers = append(listeners, l), append(servers, s) }
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	if socket != "" {
		l, err := listenSocket(socket)
		if err != nil {
			return err
		}
		add(l, r.controls())
	}
	if f.metrics != "" {
		l, err := listenMetrics(f.metrics)
		if err != nil {
			return err
		}
		add(l, r.metricsServer())
	}
	if r.clock, err = f.clock(log, sources); err != nil {
		return fail(exitUsage, err)
	}
	var control, metrics net.Listener
	if socket != "" {
		if control, err = listenSocket(socket); err != nil {
			return err
		}
		defer control.Close()
	}
	if f.metrics.IsValid() {
		if metrics, err = listenMetrics(f.metrics); err != nil {
			return err
		}
		defer metrics.Close()
	}
	r.server.State = r.clock.State
	r.clock.Poll(ctx) // so that the first answer is an honest one
	if err := r.server.Open(); err != nil {
		return err
	}
	log.Info("answering NTP", "listen", r.server.Addrs(), "sources", f.source)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.clock.Run(ctx) })
	g.Go(func() error { return r.server.Run(ctx) })
	g.Go(func() error { return r.tell(ctx) })
	if node != nil {
		g.Go(func() error { return r.obey(ctx, node, announceEvery) })
	}
	if control != nil {
		g.Go(func() error { return serveHTTP(ctx, r.controls(), control, log) })
	}
	if metrics != nil {
		g.Go(func() error { return serveHTTP(ctx, r.metrics(), metrics, log) })
	}
	return g.Wait()
}

// clock announces what sources and the leap file say.
func (f *respondFlags) clock(log *slog.Logger, sources []responder.Source) (*responder.Clock, error) {
	c := responder.NewClock(responder.Precision(), log, sources...)
	if c.Smear = f.smear; f.smear && f.leaps == "" {
		return nil, errors.New("--smear: needs --leap-file, to know when")
	}
	var err error
	c.Leaps, err = readLeaps(f.leaps)
	return c, err
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

func (f *respondFlags) sources() ([]responder.Source, error) {
	var refID uint32
	if f.refid != "" {
		stratum := f.stratum
		if slices.Contains(f.source, "stated") {
			stratum = 1
		}
		var err error
		if refID, err = responder.ParseRefID(f.refid, stratum); err != nil {
			return nil, fmt.Errorf("--refid: %w", err)
		}
	}
	var sources []responder.Source
	for _, name := range f.source {
		switch name {
		case "chrony":
			sources = append(sources, responder.Chronyd(f.chrony))
		case "daemon":
			if slices.ContainsFunc(f.listen, func(listen string) bool { return hears(listen, f.daemon) }) {
				return nil, fmt.Errorf("--daemon %s: that is where this responder itself listens; name another --listen", f.daemon)
			}
			sources = append(sources, responder.Daemon(f.daemon))
		case "kernel":
			if f.stratum < 1 || f.stratum >= responder.MaxStratum || refID == 0 {
				return nil, errors.New("--source kernel: needs --stratum 1…15 and --refid: the kernel knows neither, and none is made up")
			}
			sources = append(sources, responder.Kernel(f.stratum, refID))
		case "stated":
			if refID == 0 {
				return nil, errors.New("--source stated: needs --refid, such as GPS")
			}
			sources = append(sources, responder.Stated(refID, f.error))
		default:
			return nil, fmt.Errorf("--source %q: wants chrony, daemon, kernel or stated", name)
		}
	}
	return sources, nil
}

// hears says whether a packet to addr would come to a socket bound to listen.
func hears(listen string, addr netip.AddrPort) bool {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || at.Port() != addr.Port() {
		return false
	}
	own, asked := at.Addr().Unmap(), addr.Addr().Unmap()
	return own == asked || own.IsUnspecified() && own.Is4() == asked.Is4()
}

func (f *respondFlags) server() (*responder.Server, error) {
	s := &responder.Server{Sockets: runtime.GOMAXPROCS(0), Interleave: 1 << 17}
	for _, text := range f.listen {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("--listen %q: wants address:port", text)
		}
		s.Listen = append(s.Listen, addr)
	}
	if f.rate < 1 || f.burst < 1 {
		return nil, errors.New("--rate, --burst: want at least 1; --no-limit limits nobody")
	}
	limit := responder.Limit{Rate: f.rate, Burst: f.burst}
	var errs [3]error
	limit.Exempt, errs[0] = networks("--exempt", f.exempt)
	s.Allow, errs[1] = networks("--allow", f.allow)
	s.Deny, errs[2] = networks("--deny", f.deny)
	if !f.noLimit {
		s.Limiter = responder.NewLimiter(limit, time.Now())
	}
	return s, errors.Join(errs[:]...)
}

// networks reads what was given to flag: networks, or addresses for networks of one.
func networks(flag string, texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if addr, alone := netip.ParseAddr(text); alone == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: wants a network such as 10.0.0.0/8", flag, text)
		}
		list = append(list, network.Masked())
	}
	return list, nil
}
