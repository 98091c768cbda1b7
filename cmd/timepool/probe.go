package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

func (a *app) probeCommand() *cobra.Command {
	var by zones.Registry
	c := command("probe ADDR...", "Measure servers once: offset, round trip, stratum, leap, verdict; exit 1 when one is not good", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		if p := by.Profile(); p.Name != by.Zone.Profile {
			return fail(exitUsage, fmt.Errorf("--profile %q: wants lan or ntppool", by.Zone.Profile))
		}
		targets, err := resolveAll(ctx, args)
		if err != nil {
			return err
		}
		return a.probe(ctx, by.Profile(), targets)
	})
	c.Long = `Measure servers once, as the prober would. ADDR is an IP address, an
address with a port ("10.1.0.5:123", "[fd00::5]:123") or a host name.`
	c.Flags().StringVar(&by.Zone.Profile, "profile", "lan", "how strictly clocks are judged: lan or ntppool")
	return c
}

// resolveAll turns what was typed into addresses and ports.
func resolveAll(ctx context.Context, args []string) (targets []netip.AddrPort, err error) {
	for _, arg := range args {
		if ap, err := netip.ParseAddrPort(arg); err == nil {
			targets = append(targets, ap)
			continue
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", arg)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", arg, err)
		}
		for _, addr := range found {
			targets = append(targets, netip.AddrPortFrom(addr.Unmap(), 123))
		}
	}
	return targets, nil
}

// probe checks every target at the same time and tells what was found: as JSON
// in the words of the history, the address with its port, and the verdict.
func (a *app) probe(ctx context.Context, profile zones.Profile, targets []netip.AddrPort) error {
	settings := defaultConfig().Probe
	all, rows := make([]map[string]any, len(targets)), make([][]string, len(targets))
	var wait sync.WaitGroup
	for i, target := range targets {
		wait.Go(func() {
			p := monitor.Prober{
				Vantage: "cli", Samples: settings.Samples, Gap: settings.Gap, Timeout: settings.Timeout,
				Map: map[netip.Addr]netip.AddrPort{target.Addr(): target},
			}
			s := p.Check(ctx, target.Addr())
			step, _, _, why := monitor.Judge(s, profile)
			all[i] = named(values(&monitor.Point{Sample: s, Step: step})[:checkColumns])
			all[i]["address"], all[i]["good"], all[i]["why"] = target, step >= monitor.GoodStep, why
			verdict := red.of("bad")
			if step >= monitor.GoodStep {
				verdict = green.of("good")
			}
			rows[i] = []string{
				target.String(), monitor.OffsetText(s.Offset), length(s.RTT), fmt.Sprint(s.Stratum), monitor.RefIDText(s.RefID, s.Stratum), fmt.Sprint(s.Leap),
				length(s.RootDistance), fmt.Sprint(s.Lost), strings.TrimRight(strings.TrimRight(fmt.Sprintf("%+.3f", step), "0"), "."), verdict, why,
			}
		})
	}
	wait.Wait()
	heads := []string{"ADDRESS", "OFFSET", "RTT", "STRATUM", "REFID", "LEAP", "ROOT DISTANCE", "LOST", "STEP", "", "WHY"}
	for _, one := range all {
		if one["good"] == false {
			return errors.Join(a.show(all, aligned(heads, rows)), fail(exitUnhealthy, errSilent))
		}
	}
	return a.show(all, aligned(heads, rows))
}

// length is a duration in the words of the pages: "1.23 ms".
func length(d time.Duration) string { return strings.TrimPrefix(monitor.OffsetText(d), "+") }
