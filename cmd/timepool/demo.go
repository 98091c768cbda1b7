package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/zones"
)

//go:embed demo.yaml
var demoRegistry []byte

var defaultDemoDNS = netip.MustParseAddrPort("127.0.0.1:5300")

// demoFlags say where the demonstration listens; break and heal find it by
// the same DNS port.
type demoFlags struct {
	dns, http netip.AddrPort
}

func (a *app) demoCommand() *cobra.Command {
	f := &demoFlags{}
	c := command("demo", "Run a whole pool on this machine: nine members, three of them bad; no root, no network", cobra.NoArgs, func(ctx context.Context, _ []string) error { return a.demo(ctx, f) })
	c.PersistentFlags().TextVar(&f.dns, "dns", defaultDemoDNS, "where DNS is answered, an `address:port`")
	c.PersistentFlags().TextVar(&f.http, "http", defaultConfig().HTTP.Listen, "where the pages are, an `address:port`")
	c.AddCommand(a.demoBreakCommand(f), a.demoHealCommand(f))
	return c
}

// config is the node file the demonstration would have, with a fast prober. There
// is one folder for each user and DNS port, so that break and heal find its socket.
func (f *demoFlags) config() Config {
	c := defaultConfig()
	c.Vantage = "demo"
	c.Data = filepath.Join(os.TempDir(), fmt.Sprintf("timepool-demo-%d-%d", os.Getuid(), f.dns.Port()))
	c.Registry = filepath.Join(c.Data, "pool.yaml")
	c.Socket = filepath.Join(c.Data, "timepool.sock")
	c.DNS.Listen = []netip.AddrPort{f.dns}
	c.HTTP.Listen = f.http
	c.Probe.Interval = 500 * time.Millisecond
	c.Probe.Gap = 10 * time.Millisecond
	c.Probe.Timeout = 200 * time.Millisecond
	c.own = func(netip.Addr) bool { return false }
	return c
}

// demo runs members and node until ctx ends, and leaves nothing behind; also
// when the terminal is closed, or who reads its lines has seen enough.
func (a *app) demo(ctx context.Context, f *demoFlags) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	config := f.config()
	if err := makeDemoFolder(config); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(config.Data)
	logFile, err := os.Create(filepath.Join(config.Data, "timepool.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	registry, err := zones.Load(config.Registry)
	if err != nil {
		return err
	}
	members, err := openDemoMembers(registry)
	if err != nil {
		return err
	}
	defer members.close()
	config.Probe.Map = members.probeMap()
	n, err := openNode(config, false, slog.New(slog.NewTextHandler(logFile, nil)))
	if err == nil {
		n.demo = members.handleFault
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return members.run(ctx) })
		g.Go(func() error { return n.run(ctx, nil) })
		g.Go(func() error { return a.watchDemo(ctx, n, f.hints(config, registry)) })
		err = g.Wait()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; choose another with --dns or --http", err)
	}
	return err
}

// makeDemoFolder makes a fresh folder that nobody else can write to, with the
// registry in it. What a killed demonstration left is removed, unless it still runs.
func makeDemoFolder(c Config) error {
	var s web.Status
	if askSocket(context.Background(), c.Socket, "GET", "status", &s) == nil {
		return errors.New("one runs on this port already (choose another with --dns and --http)")
	}
	if err := os.RemoveAll(c.Data); err != nil {
		return err
	}
	if err := os.Mkdir(c.Data, 0o700); err != nil {
		return err
	}
	return os.WriteFile(c.Registry, demoRegistry, 0o600)
}

func (a *app) demoBreakCommand(f *demoFlags) *cobra.Command {
	var offset time.Duration
	var silent, unsync bool
	c := command("break NAME", "Spoil a member of the running demonstration", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		switch {
		case silent:
			return a.askDemo(ctx, f, args[0], "silent")
		case unsync:
			return a.askDemo(ctx, f, args[0], "unsync")
		}
		return a.askDemo(ctx, f, args[0], offset.String())
	})
	c.Flags().DurationVar(&offset, "offset", 0, "its clock is wrong by this much, such as 300ms")
	c.Flags().BoolVar(&silent, "silent", false, "it does not answer")
	c.Flags().BoolVar(&unsync, "unsync", false, "it says that it is not synchronised")
	c.MarkFlagsOneRequired("offset", "silent", "unsync")
	c.MarkFlagsMutuallyExclusive("offset", "silent", "unsync")
	return c
}

func (a *app) demoHealCommand(f *demoFlags) *cobra.Command {
	return command("heal [NAME]", "Mend a member of the running demonstration, or all of them", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		return a.askDemo(ctx, f, strings.Join(args, ""), "")
	})
}

// askDemo gives the member of that name a fault, as demoFaults have them, or
// none; the name "" means all of them.
func (a *app) askDemo(ctx context.Context, f *demoFlags, name, fault string) error {
	var said []string
	err := askSocket(ctx, f.config().Socket, "POST", "demo?"+url.Values{"name": {name}, "fault": {fault}}.Encode(), &said)
	if errors.Is(err, errNobody) {
		return fail(exitUnreachable, errors.New("demo: none runs on this port (is `timepool demo` running? give the same --dns)"))
	}
	if err != nil {
		return err
	}
	return a.show(said, said)
}
