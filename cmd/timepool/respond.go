package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor/responder"
)

// respondFlags are the settings of the responder. It has no file: a member
// host should need none.
type respondFlags struct {
	server  responder.Server // Listen, Allow and Deny
	limit   responder.Limit  // Rate, Burst and Exempt
	noLimit bool

	source         []string
	chrony, daemon netip.AddrPort
	stratum        uint8
	refid          string
	error          time.Duration
	leaps          string
	smear          bool

	check, status, undrain bool
	print, reason          string
	drain                  time.Duration

	node, nodeToken, nodeCA string
	metrics                 netip.AddrPort
	log                     LogConfig
}

func (a *app) respondCommand() *cobra.Command {
	f := &respondFlags{}
	var c *cobra.Command
	c = command("respond", "Answer NTP on a member host from its own clock", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if f.status || f.undrain || c.Flags().Changed("drain") {
			return f.command(ctx, a)
		}
		log, err := newLogger(a.errs, f.log)
		if f.check {
			log = nil // it tells all by itself
		}
		var r *responding
		if err == nil {
			r, err = f.responding(log)
		}
		switch {
		case err != nil:
			return fail(exitUsage, err)
		case f.print != "":
			return template.Must(template.New("").Parse(chronyConf)).Execute(a.out, r.server)
		case f.check:
			r.clock.Poll(ctx)
			s := r.status()
			return errors.Join(a.show(s, s.reasons()), s.unfit())
		}
		return r.run(ctx, a.socket)
	})
	c.Long = `Answer NTP on a member host from its own clock. What is announced comes from
the sources named, the first that answers; with none it announces itself
unsynchronised, and never a stratum that nobody vouches for:

  chrony   the local chronyd's command port (the default)
  daemon   another NTP server on this host (--daemon)
  kernel   the kernel's clock state; needs --stratum and --refid
  stated   this host is a stratum 1 with the reference --refid, right within --error

--status, --drain and --undrain ask the one that runs with --socket, which is
` + respondSocket + ` unless given; without --socket it cannot be asked.`
	flags := c.Flags()
	flags.Func("listen", "`addresses and ports` to answer on (default 0.0.0.0:123,[::]:123)", listed(&f.server.Listen, "an address and port", netip.ParseAddrPort))
	flags.StringSliceVar(&f.source, "source", []string{"chrony"}, "who knows how good the clock is, in order: chrony, daemon, kernel, stated")
	flags.TextVar(&f.chrony, "chrony", netip.MustParseAddrPort("127.0.0.1:323"), "chronyd's command port, an `address:port`, for --source chrony")
	flags.TextVar(&f.daemon, "daemon", netip.MustParseAddrPort("127.0.0.1:123"), "the NTP server, an `address:port`, for --source daemon")
	flags.Uint8Var(&f.stratum, "stratum", 0, "stratum to announce, for --source kernel")
	flags.StringVar(&f.refid, "refid", "", "reference, for --source kernel or stated: GPS, PPS, or the upstream's address")
	flags.DurationVar(&f.error, "error", time.Millisecond, "largest error of the clock, for --source stated")
	flags.StringVar(&f.leaps, "leap-file", "", "leap-seconds.list to announce leap seconds from, beside what the source announces; read again when it changes")
	flags.BoolVar(&f.smear, "smear", false, "announce no leap second: spread it from noon to noon UTC, and show so by references of 254.0.0.0/8; needs --leap-file, and clients that follow nobody else")
	flags.BoolVar(&f.noLimit, "no-limit", false, "answer every client as often as it asks")
	flags.IntVar(&f.limit.Rate, "rate", 200, "requests a second that one IPv4 address or IPv6 /64 may send; the networks around it a multiple")
	flags.IntVar(&f.limit.Burst, "burst", 8000, "requests that it may send at once")
	flags.Func("exempt", "`networks` that are never limited, such as the pool's vantages", listed(&f.limit.Exempt, "a network such as 10.0.0.0/8", parseNetwork))
	flags.Func("allow", "`networks` to answer, and nobody else; where --deny has a longer one, that one decides", listed(&f.server.Allow, "a network such as 10.0.0.0/8", parseNetwork))
	flags.Func("deny", "`networks` not to answer; where --allow has a longer one, that one decides", listed(&f.server.Deny, "a network such as 10.0.0.0/8", parseNetwork))
	flags.BoolVar(&f.check, "check", false, "tell what would be announced and why, and end: with 1 where that is unsynchronised")
	flags.StringVar(&f.print, "print", "", "chrony-conf: what to write into chrony.conf where chronyd itself is to be the member")
	flags.TextVar(&f.metrics, "metrics", netip.AddrPort{}, "a loopback `address:port` for Prometheus to scrape, such as 127.0.0.1:9123")
	flags.BoolVar(&f.status, "status", false, "ask the running responder, on --socket, how it is: 1 where it is unsynchronised and not drained")
	flags.DurationVar(&f.drain, "drain", 0, "have the running responder announce itself unsynchronised for so long, 24h at most, so that its clients leave")
	flags.BoolVar(&f.undrain, "undrain", false, "end what --drain began")
	flags.StringVar(&f.reason, "reason", "", "why, for people, with --drain")
	flags.StringVar(&f.node, "node", "", "https://host:port of the pool's node, to be asked whether timepool drain --active is in force for this member; nobody is asked unless given")
	flags.StringVar(&f.nodeToken, "node-token", "", "file with this member's token for --node")
	flags.StringVar(&f.nodeCA, "node-ca", "", "PEM file of certificates to trust for --node (default: the system's)")
	c.MarkFlagsMutuallyExclusive("print", "check", "status", "drain", "undrain")
	c.MarkFlagsRequiredTogether("node", "node-token")
	flags.StringVar(&f.log.Level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&f.log.Format, "log-format", "text", "text or json")
	return c
}

// sources are those of --source.
func (f *respondFlags) sources() (sources []responder.Source, err error) {
	for _, name := range f.source {
		var s responder.Source
		var refID uint32
		switch name {
		case "chrony":
			s = responder.Chronyd(f.chrony)
		case "daemon":
			if slices.ContainsFunc(f.server.Listen, func(at netip.AddrPort) bool { return hears(at, f.daemon) }) {
				return nil, fmt.Errorf("--daemon %s: that is where this responder itself listens; name another --listen", f.daemon)
			}
			s = responder.Daemon(f.daemon)
		case "kernel":
			if f.stratum < 1 || f.stratum >= responder.MaxStratum || f.refid == "" {
				return nil, errors.New("--source kernel: needs --stratum 1…15 and --refid: the kernel knows neither, and none is made up")
			}
			refID, err = responder.ParseRefID(f.refid, f.stratum)
			s = responder.Kernel(f.stratum, refID)
		case "stated":
			if f.refid == "" || f.error < 0 {
				return nil, errors.New("--source stated: needs --refid, such as GPS, and an --error of 0 or more")
			}
			refID, err = responder.ParseRefID(f.refid, 1)
			s = responder.Stated(refID, f.error)
		default:
			err = errors.New("wants chrony, daemon, kernel or stated")
		}
		if err != nil {
			return nil, fmt.Errorf("--source %s: %w", name, err)
		}
		sources = append(sources, s)
	}
	return sources, nil
}

// chronyConf is for a member whose own chronyd answers. chronyd, too, lets the
// longest network decide.
//
//go:embed chrony.conf
var chronyConf string

// hears says whether a packet to addr would come to a socket bound to at.
func hears(at, addr netip.AddrPort) bool {
	own, asked := at.Addr().Unmap(), addr.Addr().Unmap()
	return at.Port() == addr.Port() && (own == asked || own.IsUnspecified() && own.Is4() == asked.Is4())
}

// listed adds to list what a flag is given, with commas between or flag by flag.
func listed[T any](list *[]T, what string, parse func(string) (T, error)) func(string) error {
	return func(texts string) error {
		for text := range strings.SplitSeq(texts, ",") {
			one, err := parse(text)
			if err != nil {
				return fmt.Errorf("%q: wants %s", text, what)
			}
			*list = append(*list, one)
		}
		return nil
	}
}

// parseNetwork reads a network, or an address for a network of one.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}
