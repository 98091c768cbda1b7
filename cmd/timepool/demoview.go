package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// watchDemo shows scores rising and members being cut: a table that redraws
// itself on a terminal, plain lines elsewhere.
func (a *app) watchDemo(ctx context.Context, n *node, hints []string) error {
	live := isTerminal(a.out) && os.Getenv("TERM") != "dumb"
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	if live {
		fmt.Fprint(a.out, "\x1b[2J")
		defer fmt.Fprintln(a.out)
	} else {
		fmt.Fprintln(a.out, strings.Join(hints, "\n"))
	}
	known := make(map[string]bool)
	for {
		members := n.members()
		if live {
			a.drawDemo(members, hints)
		} else {
			a.tellDemo(members, known)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// drawDemo redraws in place: home, each line cleared to its end, the rest below.
func (a *app) drawDemo(members []monitor.Member, hints []string) {
	width, height := terminalSize(a.out)
	screen := fitted(aligned(memberHeads, memberRows(members, time.Now())), hints, width, height)
	fmt.Fprint(a.out, "\x1b[H"+coloured(a.out, strings.Join(screen, "\x1b[K\n"))+"\x1b[K\x1b[J")
}

// fitted is table and hints within a terminal: lines are cut at its width, as
// one that wraps would push the table off the top; the first hints go before
// the last, and the table's end goes when there is no room for hints.
func fitted(table, hints []string, width, height int) []string {
	lines := slices.Clone(table[:min(len(table), height)])
	if room := height - len(lines); room > len(hints) {
		lines = append(append(lines, ""), hints...)
	} else {
		lines = append(lines, hints[len(hints)-room:]...)
	}
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return lines
}

// tellDemo prints a line for each member that came in or went out.
func (a *app) tellDemo(members []monitor.Member, known map[string]bool) {
	for _, m := range members {
		key := m.Address.String()
		if was, ok := known[key]; m.Checked.IsZero() || ok && was == m.In {
			continue
		}
		known[key] = m.In
		in := "out"
		if m.In {
			in = "in "
		}
		fmt.Fprintf(a.out, "%s %s %-9s %-18s %s\n", time.Now().Format("15:04:05.0"), in, m.Name, key, m.Why)
	}
}

// hints are the lines to try, as they can be pasted here; those that a small
// terminal can do without come first.
func (f *demoFlags) hints(c Config, r *zones.Registry) []string {
	self, flags := "  timepool", ""
	if strings.Contains(os.Args[0], "go-build") {
		self = "  go run ./cmd/timepool"
	} else if strings.Contains(os.Args[0], "/") {
		self = "  " + os.Args[0]
	}
	if f.dns != defaultDemoDNS {
		flags = " --dns " + f.dns.String()
	}
	dig := fmt.Sprintf("  dig @%s -p %d +noall +answer ", f.dns.Addr(), f.dns.Port())
	lines := []string{
		"Registry, watched while you edit it: " + c.Registry,
		self + " what-if --lose tyo --socket " + c.Socket,
		dig + "+subnet=10.32.0.0/12 TXT _why.pool.example   # why tyo gets what it gets",
		dig + "2.pool.example AAAA",
		dig + "asia.pool.example",
	}
	for _, s := range r.Sites {
		lines = append(lines, fmt.Sprintf("%s+subnet=%s pool.example   # as from %s", dig, s.Networks[0], s.Name))
	}
	return append(lines,
		dig+"pool.example",
		self+" demo break ntp1.fra --offset 300ms"+flags+"   (or --silent, --unsync)",
		self+" demo heal"+flags,
		fmt.Sprintf("Pages: http://%s/", f.http),
		"Ctrl-C ends it and leaves nothing behind.",
	)
}
