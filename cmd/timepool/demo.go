package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/zones"
)

//go:embed demo.yaml
var demoRegistry []byte

const defaultDemoDNS = "127.0.0.1:5300"

// demoFlags say where the demonstration listens; break and heal find it by
// the same DNS port.
type demoFlags struct {
	dns, http string
}

func (a *app) demoCommand() *cobra.Command {
	f := &demoFlags{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole pool on this machine: nine members, three of them bad; no root, no network",
		Args:  cobra.NoArgs,
		RunE:  action(func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), f) }),
	}
	c.PersistentFlags().StringVar(&f.dns, "dns", defaultDemoDNS, "where DNS is answered")
	c.PersistentFlags().StringVar(&f.http, "http", "127.0.0.1:8053", "where the pages are")
	c.AddCommand(a.demoBreakCommand(f), a.demoHealCommand(f))
	return c
}

// folder is where this demonstration keeps its files while it runs: one for
// each user and DNS port, so that break and heal find its socket.
func (f *demoFlags) folder() (string, netip.AddrPort, error) {
	dns, err := netip.ParseAddrPort(f.dns)
	if err != nil {
		return "", dns, fail(exitUsage, fmt.Errorf("--dns %q: wants address:port", f.dns))
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("timepool-demo-%d-%d", os.Getuid(), dns.Port())), dns, nil
}

func (f *demoFlags) socket() (string, error) {
	folder, _, err := f.folder()
	return filepath.Join(folder, "timepool.sock"), err
}

// demo runs members and node until ctx ends, and leaves nothing behind; also
// when the terminal is closed, or who reads its lines has seen enough.
func (a *app) demo(ctx context.Context, f *demoFlags) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	folder, dns, err := f.folder()
	if err != nil {
		return err
	}
	if err := makeDemoFolder(folder); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	registryPath := filepath.Join(folder, "pool.yaml")
	if err := os.WriteFile(registryPath, demoRegistry, 0o600); err != nil {
		return err
	}
	registry, err := zones.Load(registryPath)
	if err != nil {
		return err
	}
	members, err := openDemoMembers(registry)
	if err != nil {
		return err
	}
	config, err := f.config(folder, dns, members)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(folder, "timepool.log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	n, err := openNode(config, false, slog.New(slog.NewTextHandler(logFile, nil)))
	if err != nil {
		members.close()
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; choose another with --dns or --http", err)
		}
		return err
	}
	n.extra = map[string]http.HandlerFunc{"POST /v1/demo/break": members.handleBreak, "POST /v1/demo/heal": members.handleHeal}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return members.run(ctx) })
	g.Go(func() error { return n.run(ctx, nil) })
	g.Go(func() error { return a.watchDemo(ctx, n, f, registryPath) })
	return g.Wait()
}

// makeDemoFolder makes a fresh folder that nobody else can write to. What a
// killed demonstration left is removed, unless it still runs.
func makeDemoFolder(folder string) error {
	var s Status
	if newSocketClient(filepath.Join(folder, "timepool.sock")).ask(context.Background(), "GET", "/v1/status", &s) == nil {
		return errors.New("demo: one runs on this port already (choose another with --dns and --http)")
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// config is the node file the demonstration would have: a fast prober with a
// map to the built-in responders.
func (f *demoFlags) config(folder string, dns netip.AddrPort, members *demoMembers) (Config, error) {
	c := defaultConfig()
	pages, err := netip.ParseAddrPort(f.http)
	if err != nil {
		return c, fail(exitUsage, fmt.Errorf("--http %q: wants address:port", f.http))
	}
	c.Vantage = "demo"
	c.Data = folder
	c.Registry = filepath.Join(folder, "pool.yaml")
	c.Socket = filepath.Join(folder, "timepool.sock")
	c.DNS.Listen = []netip.AddrPort{dns}
	c.HTTP.Listen = pages
	c.Probe.Interval = 500 * time.Millisecond
	c.Probe.Gap = 10 * time.Millisecond
	c.Probe.Timeout = 200 * time.Millisecond
	c.Probe.Map = members.probeMap()
	c.own = func(netip.Addr) bool { return false }
	return c, nil
}

func (a *app) demoBreakCommand(f *demoFlags) *cobra.Command {
	var fault demoFault
	c := &cobra.Command{
		Use:   "break NAME",
		Short: "Spoil a member of the running demonstration",
		Args:  cobra.ExactArgs(1),
		RunE: action(func(c *cobra.Command, args []string) error {
			if fault == (demoFault{}) {
				return fail(exitUsage, errors.New("demo break: say how: --offset 300ms, --silent or --unsync"))
			}
			return a.askDemo(c.Context(), f, "break", args[0], fault)
		}),
	}
	c.Flags().DurationVar(&fault.Offset, "offset", 0, "its clock is wrong by this much")
	c.Flags().BoolVar(&fault.Silent, "silent", false, "it does not answer")
	c.Flags().BoolVar(&fault.Unsync, "unsync", false, "it says that it is not synchronised")
	return c
}

func (a *app) demoHealCommand(f *demoFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "heal [NAME]",
		Short: "Mend a member of the running demonstration, or all of them",
		Args:  cobra.MaximumNArgs(1),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.askDemo(c.Context(), f, "heal", strings.Join(args, ""), demoFault{})
		}),
	}
}

func (a *app) askDemo(ctx context.Context, f *demoFlags, what, name string, fault demoFault) error {
	socket, err := f.socket()
	if err != nil {
		return err
	}
	q := url.Values{"name": {name}, "offset": {fault.Offset.String()}, "silent": {strconv.FormatBool(fault.Silent)}, "unsync": {strconv.FormatBool(fault.Unsync)}}
	var said struct{ Said string }
	err = newSocketClient(socket).ask(ctx, "POST", "/v1/demo/"+what+"?"+q.Encode(), &said)
	if errors.Is(err, errNobody) {
		return fail(exitUnreachable, errors.New("demo: none runs on this port (is `timepool demo` running? give the same --dns)"))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, said.Said)
	return err
}
