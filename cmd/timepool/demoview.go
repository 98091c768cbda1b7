package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// watchDemo shows scores rising and members being cut: a table that is redrawn
// in its place on a terminal, a line for each that comes or goes elsewhere.
func (a *app) watchDemo(ctx context.Context, n *node, hints []string) error {
	fmt.Fprintln(a.out, strings.Join(hints, "\n"))
	live := isTerminal(a.out) && os.Getenv("TERM") != "dumb"
	if live {
		fmt.Fprint(a.out, "\x1b[?7l") // long lines are cut: one that wraps would take two
		defer fmt.Fprint(a.out, "\x1b[?7h")
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	known, above := make(map[string]bool), 0
	for {
		if members := n.members(n.inForce.Load()); live {
			above = a.drawDemo(members, above)
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

// drawDemo draws in the place of the table before, of so many lines above: each
// line is cleared to its end, and what is below.
func (a *app) drawDemo(members []monitor.Member, above int) int {
	table := append([]string{""}, aligned(memberHeads, memberRows(members, time.Now()))...)
	up := ""
	if above > 0 {
		up = fmt.Sprintf("\x1b[%dA", above)
	}
	fmt.Fprint(a.out, up+coloured(a.out, strings.Join(table, "\x1b[K\n"))+"\x1b[K\n\x1b[J")
	return len(table)
}

// tellDemo prints a line for each member that came in or went out.
func (a *app) tellDemo(members []monitor.Member, known map[string]bool) {
	for _, m := range members {
		key, in := m.Address.String(), "out"
		if was, ok := known[key]; m.Checked.IsZero() || ok && was == m.In {
			continue
		}
		if known[key] = m.In; m.In {
			in = "in "
		}
		fmt.Fprintf(a.out, "%s %s %-9s %-18s %s\n", time.Now().Format("15:04:05.0"), in, m.Name, key, m.Why)
	}
}

// hints are the lines to try, as they can be pasted here.
func (f *demoFlags) hints(c Config, r *zones.Registry) []string {
	self, flags := "  "+os.Args[0], ""
	if strings.Contains(self, "go-build") {
		self = "  go run ./cmd/timepool"
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
		self+" demo break ntp1.fra --offset 300ms"+flags+"   # or --silent, --unsync",
		self+" demo heal"+flags,
		fmt.Sprintf("Pages: http://%s/", f.http),
		"Ctrl-C ends it and leaves nothing behind.",
	)
}
