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

// probed is one measured address as `probe` prints it.
type probed struct {
	Address      string        `json:"address"`
	Offset       time.Duration `json:"offset_ns"`
	RTT          time.Duration `json:"rtt_ns"`
	Stratum      uint8         `json:"stratum"`
	RefID        string        `json:"refid"`
	Leap         uint8         `json:"leap"`
	RootDistance time.Duration `json:"root_distance_ns"`
	Lost         int           `json:"lost"`
	Good         bool          `json:"good"`
	Step         float64       `json:"step"`
	Why          string        `json:"why"`
}

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
		return a.printProbed(probeAll(ctx, by.Profile(), targets))
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

// probeAll checks every target at the same time.
func probeAll(ctx context.Context, profile zones.Profile, targets []netip.AddrPort) []probed {
	settings := defaultConfig().Probe
	results := make([]probed, len(targets))
	var wait sync.WaitGroup
	for i, target := range targets {
		wait.Go(func() {
			p := monitor.Prober{
				Vantage: "cli", Samples: settings.Samples, Gap: settings.Gap, Timeout: settings.Timeout,
				Map: map[netip.Addr]netip.AddrPort{target.Addr(): target},
			}
			s := p.Check(ctx, target.Addr())
			step, _, _, why := monitor.Judge(s, profile)
			results[i] = probed{
				Address: target.String(), Offset: s.Offset, RTT: s.RTT, Stratum: s.Stratum, RefID: monitor.RefIDText(s.RefID, s.Stratum), Leap: s.Leap,
				RootDistance: s.RootDistance, Lost: s.Lost, Good: step >= 0.5, Step: step, Why: why,
			}
		})
	}
	wait.Wait()
	return results
}

func (a *app) printProbed(results []probed) error {
	heads := []string{"ADDRESS", "OFFSET", "RTT", "STRATUM", "REFID", "LEAP", "ROOT DISTANCE", "LOST", "STEP", "", "WHY"}
	var rows [][]string
	var bad error
	for _, r := range results {
		verdict := green.of("good")
		if !r.Good {
			verdict, bad = red.of("bad"), fail(exitUnhealthy, errSilent)
		}
		rows = append(rows, []string{
			r.Address, monitor.OffsetText(r.Offset), length(r.RTT), fmt.Sprint(r.Stratum), r.RefID, fmt.Sprint(r.Leap), length(r.RootDistance), fmt.Sprint(r.Lost),
			strings.TrimRight(strings.TrimRight(fmt.Sprintf("%+.3f", r.Step), "0"), "."), verdict, r.Why,
		})
	}
	return errors.Join(a.show(results, aligned(heads, rows)), bad)
}

// length is a duration in the words of the pages: "1.23 ms".
func length(d time.Duration) string { return strings.TrimPrefix(monitor.OffsetText(d), "+") }
