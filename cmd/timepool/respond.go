package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor/responder"
)

// respondFlags are the settings of the responder. It has no file: a member
// host should need none.
type respondFlags struct {
	listen  []string
	source  []string
	chrony  string
	daemon  string
	stratum uint8
	refid   string
	error   time.Duration
	noLimit bool
	exempt  []string
	log     LogConfig
}

func (a *app) respondCommand() *cobra.Command {
	f := &respondFlags{}
	c := &cobra.Command{
		Use:   "respond",
		Short: "Answer NTP on a member host from its own clock",
		Long: `Answer NTP on a member host from its own clock. What is announced comes from
the sources named, the first that answers; with none it announces itself
unsynchronised, and never a stratum that nobody vouches for:

  chrony   the local chronyd's command port (the default)
  daemon   another NTP server on this host (--daemon)
  kernel   the kernel's clock state; needs --stratum and --refid
  stated   this host is a stratum 1 with the reference --refid, right within --error`,
		Args: cobra.NoArgs,
		RunE: action(func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), newLogger(a.errs, f.log))
		}),
	}
	flags := c.Flags()
	flags.StringSliceVar(&f.listen, "listen", []string{"0.0.0.0:123", "[::]:123"}, "addresses and ports to answer on")
	flags.StringSliceVar(&f.source, "source", []string{"chrony"}, "who knows how good the clock is, in order: chrony, daemon, kernel, stated")
	flags.StringVar(&f.chrony, "chrony", "127.0.0.1:323", "chronyd's command port, for --source chrony")
	flags.StringVar(&f.daemon, "daemon", "127.0.0.1:123", "the NTP server, for --source daemon")
	flags.Uint8Var(&f.stratum, "stratum", 0, "stratum to announce, for --source kernel")
	flags.StringVar(&f.refid, "refid", "", "reference, for --source kernel or stated: GPS, PPS, or the upstream's address")
	flags.DurationVar(&f.error, "error", time.Millisecond, "largest error of the clock, for --source stated")
	flags.BoolVar(&f.noLimit, "no-limit", false, "answer every client as often as it asks")
	flags.StringSliceVar(&f.exempt, "exempt", nil, "networks that are never limited, such as the pool's vantages")
	flags.StringVar(&f.log.Level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&f.log.Format, "log-format", "text", "text or json")
	return c
}

// run answers until ctx ends.
func (f *respondFlags) run(ctx context.Context, log *slog.Logger) error {
	sources, err := f.sources()
	if err != nil {
		return fail(exitUsage, err)
	}
	server, err := f.server(log)
	if err != nil {
		return fail(exitUsage, err)
	}
	clock := responder.NewClock(responder.Precision(), log, sources...)
	server.State = clock.State
	clock.Poll(ctx) // so that the first answer is an honest one
	if err := server.Open(); err != nil {
		return err
	}
	log.Info("answering NTP", "listen", server.Addrs(), "sources", f.source)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd was not told", "error", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return clock.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
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
		case "chrony", "daemon":
			text, make := f.chrony, responder.Chronyd
			if name == "daemon" {
				text, make = f.daemon, responder.Daemon
			}
			addr, err := netip.ParseAddrPort(text)
			if err != nil {
				return nil, fmt.Errorf("--%s %q: wants address:port", name, text)
			}
			if name == "daemon" && slices.Contains(f.listen, text) {
				return nil, fmt.Errorf("--daemon %s: that is where this responder itself listens", text)
			}
			sources = append(sources, make(addr))
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

func (f *respondFlags) server(log *slog.Logger) (*responder.Server, error) {
	s := &responder.Server{Log: log, Sockets: runtime.GOMAXPROCS(0)}
	for _, text := range f.listen {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("--listen %q: wants address:port", text)
		}
		s.Listen = append(s.Listen, addr)
	}
	limit := responder.Limit{}
	for _, text := range f.exempt {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--exempt %q: wants a network such as 10.0.0.0/8", text)
		}
		limit.Exempt = append(limit.Exempt, network)
	}
	if !f.noLimit {
		s.Limiter = responder.NewLimiter(limit, time.Now())
	}
	return s, nil
}
