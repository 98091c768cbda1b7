package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
)

// watchDemo shows scores rising and members being cut: a table that redraws
// itself on a terminal, plain lines elsewhere.
func (a *app) watchDemo(ctx context.Context, n *node, f *demoFlags, registry string) error {
	live := isTerminal(a.out) && os.Getenv("TERM") != "dumb"
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	hints := f.hints(registry)
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
	var table strings.Builder
	printTableTo(&table, memberHeads, memberRows(members, time.Now()), colours(a.out)) // a Builder takes it all
	width, height := terminalSize(a.out)
	screen := fitted(strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n"), hints, width, height)
	fmt.Fprint(a.out, "\x1b[H"+strings.Join(screen, "\x1b[K\n")+"\x1b[K\x1b[J")
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
func (f *demoFlags) hints(registry string) []string {
	self := "timepool"
	if strings.Contains(os.Args[0], "go-build") {
		self = "go run ./cmd/timepool"
	} else if strings.Contains(os.Args[0], "/") {
		self = os.Args[0]
	}
	host, port, _ := net.SplitHostPort(f.dns)
	dig := fmt.Sprintf("  dig @%s -p %s +noall +answer ", host, port)
	flags := ""
	if f.dns != defaultDemoDNS {
		flags = " --dns " + f.dns
	}
	return []string{
		"Registry, watched while you edit it: " + registry,
		"  " + self + " what-if --lose tyo --socket " + filepath.Join(filepath.Dir(registry), "timepool.sock"),
		dig + "+subnet=10.48.0.0/16 pool.example   # from New York",
		dig + "+subnet=10.32.0.0/16 pool.example   # from Tokyo",
		dig + "+subnet=10.32.0.0/16 TXT _why.pool.example   # and why",
		dig + "2.pool.example AAAA",
		dig + "asia.pool.example",
		dig + "pool.example",
		"  " + self + " demo break ntp1.fra --offset 300ms" + flags + "   (or --silent, --unsync)",
		"  " + self + " demo heal" + flags,
		"Pages: http://" + f.http + "/",
		"Ctrl-C ends it and leaves nothing behind.",
	}
}
