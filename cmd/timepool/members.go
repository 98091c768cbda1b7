package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
)

// Why a node should not be asked.
var (
	errNotAnswering = errors.New("DNS is not open yet: the first round of checks is under way")
	errNobodyIn     = errors.New("no member may be handed out: pool names are answered with SERVFAIL")
)

func (a *app) membersCommand() *cobra.Command {
	return command("members [NAME]...", "Say what the running node thinks of each member: score, in or out, since when, why", nil, func(ctx context.Context, names []string) error {
		all := []monitor.Member{}
		if err := a.ask(ctx, "GET", "/v1/members", &all); err != nil {
			return err
		}
		members, err := named(all, names)
		if err != nil {
			return err
		}
		return a.show(members, aligned(memberHeads, memberRows(members, time.Now())))
	})
}

// named keeps the members with one of names (or addresses), or all when there is none.
func named(all []monitor.Member, names []string) ([]monitor.Member, error) {
	if len(names) == 0 {
		return all, nil
	}
	members := []monitor.Member{}
	for _, name := range names {
		before := len(members)
		for _, m := range all {
			if m.Name == name || m.Address.String() == name {
				members = append(members, m)
			}
		}
		if len(members) == before {
			return nil, fmt.Errorf("member %s: the registry has none of that name or address", name)
		}
	}
	return members, nil
}

var memberHeads = []string{"MEMBER", "ADDRESS", "SITE", "SCORE", "", "SINCE", "WHY"}

func memberRows(members []monitor.Member, now time.Time) (rows [][]string) {
	for _, m := range members {
		in := red.of("out")
		if m.In && m.Standing == "resort" {
			in = yellow.of("last resort")
		} else if m.In {
			in = green.of("in")
		}
		rows = append(rows, []string{m.Name, m.Address.String(), m.Site, fmt.Sprintf("%.1f", m.Score), in, dim.of(ago(now, m.Since)), m.Why})
	}
	return rows
}

// ago is a duration as people say it: its first unit only.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func (a *app) statusCommand() *cobra.Command {
	return command("status", "Say how the running node is; exit 1 when it does not answer or does not trust itself", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var s Status
		if err := a.ask(ctx, "GET", "/v1/status", &s); err != nil {
			return err
		}
		if err := a.printStatus(s); err != nil {
			return err
		}
		if !s.Answering || s.Monitor.Frozen {
			return fail(exitUnhealthy, errSilent)
		}
		return nil
	})
}

func (a *app) printStatus(s Status) error {
	answering := "answering"
	if !s.Answering {
		answering = errNotAnswering.Error()
	}
	for _, verdict := range slices.Sorted(maps.Keys(s.Queries)) {
		if s.Queries[verdict] > 0 {
			answering += fmt.Sprintf(", %d %s", s.Queries[verdict], verdict)
		}
	}
	lines := []string{
		fmt.Sprintf("zone        %s, serial %d, generation %d", s.Zone, s.Serial, s.Generation),
		fmt.Sprintf("timepool    %s, up %s", s.Version, time.Since(s.Started).Round(time.Second)),
		"dns         " + answering,
	}
	if t := s.Monitor.Truth; t.Witnesses > 0 {
		lines = append(lines, fmt.Sprintf("truth       %d of %d members agree, by %s; falsetickers: %s",
			t.Agree, t.Witnesses, count(t.Clocks, "clock"), cmp.Or(strings.Join(t.Falsetickers, ", "), "none")))
	}
	for _, w := range s.Monitor.Truth.Warnings {
		lines = append(lines, "warning     "+w)
	}
	for _, notice := range s.Notices {
		lines = append(lines, "notice      "+notice)
	}
	for _, o := range s.Overrides {
		lines = append(lines, "override    "+overrideLine(o))
	}
	if len(s.Reloads) > 0 && !s.Reloads[0].Accepted {
		lines = append(lines, "last edit   refused: "+s.Reloads[0].Why)
	}
	return a.show(s, lines)
}
