package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
)

var errNotAnswering = errors.New("DNS is not open yet: the first round of checks is under way")

func (a *app) membersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "members [NAME]...",
		Short: "Say what the running node thinks of each member: score, in or out, since when, why",
		RunE: action(func(c *cobra.Command, names []string) error {
			node, err := a.client()
			if err != nil {
				return err
			}
			all := []monitor.Member{}
			if err := node.ask(c.Context(), "GET", "/v1/members", &all); err != nil {
				return err
			}
			members, err := named(all, names)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return printJSON(a.out, members)
			}
			return printTable(a.out, memberHeads, memberRows(members, time.Now()))
		}),
	}
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

func memberRows(members []monitor.Member, now time.Time) [][]cell {
	rows := make([][]cell, 0, len(members))
	for _, m := range members {
		in := cell{"out", red}
		switch {
		case m.In && m.Standing == "resort":
			in = cell{"last resort", yellow}
		case m.In:
			in = cell{"in", green}
		}
		rows = append(rows, []cell{
			{text: m.Name}, {text: m.Address.String()}, {text: m.Site}, {text: fmt.Sprintf("%.1f", m.Score)}, in,
			{ago(now, m.Since), dim}, {text: m.Why},
		})
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
	return &cobra.Command{
		Use:   "status",
		Short: "Say how the running node is; exit 1 when it does not answer or does not trust itself",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command, _ []string) error {
			node, err := a.client()
			if err != nil {
				return err
			}
			var s Status
			if err := node.ask(c.Context(), "GET", "/v1/status", &s); err != nil {
				return err
			}
			if a.output == "json" {
				err = printJSON(a.out, s)
			} else {
				err = a.printStatus(s)
			}
			if err == nil && (!s.Answering || s.Monitor.Frozen) {
				return fail(exitUnhealthy, errSilent)
			}
			return err
		}),
	}
}

func (a *app) printStatus(s Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "zone        %s, serial %d, generation %d\n", s.Zone, s.Serial, s.Generation)
	fmt.Fprintf(&b, "timepool    %s, up %s\n", s.Version, s.Uptime.Round(time.Second))
	answering := "answering"
	if !s.Answering {
		answering = errNotAnswering.Error()
	}
	fmt.Fprintf(&b, "dns         %s", answering)
	for _, verdict := range sortedKeys(s.Queries) {
		if s.Queries[verdict] > 0 {
			fmt.Fprintf(&b, ", %d %s", s.Queries[verdict], verdict)
		}
	}
	b.WriteByte('\n')
	if s.Monitor.Warning != "" {
		fmt.Fprintf(&b, "warning     %s\n", s.Monitor.Warning)
	}
	for _, notice := range s.Notices {
		fmt.Fprintf(&b, "notice      %s\n", notice)
	}
	if r := s.LastReload; r != nil && !r.Accepted {
		fmt.Fprintf(&b, "last edit   refused: %s\n", r.Why)
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

func sortedKeys(m map[string]uint64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
