package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
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
	if !live {
		fmt.Fprint(a.out, hints)
	}
	if live {
		fmt.Fprint(a.out, "\x1b[2J")
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
func (a *app) drawDemo(members []monitor.Member, hints string) {
	var b bytes.Buffer
	if err := printTableTo(&b, memberHeads, memberRows(members, time.Now()), colours(a.out)); err != nil {
		return
	}
	screen := strings.ReplaceAll(b.String()+"\n"+hints, "\n", "\x1b[K\n")
	fmt.Fprint(a.out, "\x1b[H"+screen+"\x1b[J")
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

// hints are the lines to try, as they can be pasted here.
func (f *demoFlags) hints(registry string) string {
	self := "timepool"
	if strings.Contains(os.Args[0], "go-build") {
		self = "go run ./cmd/timepool"
	} else if filepath.IsAbs(os.Args[0]) || strings.Contains(os.Args[0], "/") {
		self = os.Args[0]
	}
	host, port, _ := net.SplitHostPort(f.dns)
	dig := fmt.Sprintf("dig @%s -p %s +noall +answer ", host, port)
	flags := ""
	if f.dns != "127.0.0.1:5300" {
		flags = " --dns " + f.dns
	}
	lines := []string{
		"Ask it:",
		"  " + dig + "pool.example",
		"  " + dig + "asia.pool.example",
		"  " + dig + "2.pool.example AAAA",
		"  " + dig + "+subnet=10.32.0.0/16 pool.example     # as a client in Tokyo",
		"Spoil a member, watch it leave, mend it:",
		"  " + self + " demo break ntp1.fra --offset 300ms" + flags + "   (or --silent, --unsync)",
		"  " + self + " demo heal" + flags,
		"Pages: http://" + f.http + "/    Registry, watched while you edit it: " + registry,
		"Ctrl-C ends it and leaves nothing behind.",
		"",
	}
	return strings.Join(lines, "\n")
}
