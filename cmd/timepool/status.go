package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

func (a *app) membersCommand() *cobra.Command {
	return command("members [NAME]...", "Say what the running node thinks of each member: score, in or out, since when, why", nil, func(ctx context.Context, names []string) error {
		members := []monitor.Member{}
		if len(names) == 0 {
			if err := a.ask(ctx, "GET", "members", &members); err != nil {
				return err
			}
		}
		for _, name := range names {
			var some []monitor.Member
			if err := a.ask(ctx, "GET", "members/"+url.PathEscape(name), &some); err != nil {
				return err
			}
			members = append(members, some...)
		}
		return a.show(members, aligned(memberHeads, memberRows(members, time.Now())))
	})
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
	return command("status", "Say how the running node is; exit 1 when it should not be asked or does not trust itself", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var s web.Status
		if err := a.ask(ctx, "GET", "status", &s); err != nil {
			return err
		}
		if err := a.show(s, statusLines(&s)); err != nil || s.Waiting == "" && !s.Monitor.Frozen {
			return err
		}
		return fail(exitUnhealthy, errSilent)
	})
}

func statusLines(s *web.Status) []string {
	answering := cmp.Or(s.Waiting, "answering")
	for _, verdict := range slices.Sorted(maps.Keys(s.Queries)) {
		if s.Queries[verdict] > 0 {
			answering += fmt.Sprintf(", %d %s", s.Queries[verdict], verdict)
		}
	}
	lines := []string{
		fmt.Sprintf("zone        %s, serial %d, generation %d", s.Zone, s.Serial, s.Generation),
		fmt.Sprintf("timepool    %s, up %s", s.Version, ago(time.Now(), s.Started)),
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
	return lines
}

// waiting says why a node with g in force should not be asked; "" when it should.
func (n *node) waiting(g *generation) string {
	empty := g.snapshot.Stats().Empty
	switch {
	case !n.dnsOpen.Load():
		return "DNS is not open yet: the first round of checks is under way"
	case slices.Contains(empty, resolver.Line{}) && slices.Contains(empty, resolver.Line{IPv6: true}):
		return "no member may be handed out: pool names are answered with SERVFAIL"
	}
	return ""
}

// view is what pages, API and command line show, taken at one moment.
func (n *node) view() web.View { return n.viewOf(n.inForce.Load()) }

func (n *node) viewOf(g *generation) web.View {
	members, monitor := n.members(g), n.monitorStatus(g)
	v := web.View{Registry: g.registry, Members: members, Status: web.Status{
		Zone: g.registry.Zone.Name, Version: buildVersion(), Started: n.started, Generation: g.number, Serial: g.snapshot.Serial,
		Published: g.published, Answering: n.dnsOpen.Load(), Waiting: n.waiting(g), Addresses: len(members), In: web.CountIn(members),
		Vantage: n.config.Vantage, Monitor: monitor, Notices: n.notices(g, monitor), Reloads: g.reloads,
		Overrides: append([]zones.Override{}, zones.Current(g.record, time.Now())...), Queries: map[string]uint64{},
	}}
	if v.Answering {
		v.Listen = n.dns.Addrs()
	}
	if n.history != nil {
		h := n.history.Status()
		v.History, v.Lag = &h, n.prober.Lag()
	}
	c := n.dns.Counters()
	for verdict := range resolver.Verdict(resolver.Verdicts) {
		v.Queries[verdict.String()] = c.UDP[verdict] + c.TCP[verdict]
	}
	return v
}

// members is one line per member address, in the registry's order.
func (n *node) members(g *generation) []monitor.Member {
	if n.board == nil {
		return monitor.Members(g.registry, g.scores, nil)
	}
	return monitor.Members(g.registry, n.board.Scores(), n.board.Rows())
}

func (n *node) monitorStatus(g *generation) monitor.Status {
	if n.board == nil {
		return monitor.Status{Lost: []string{}, Warning: "static: members are not measured"}
	}
	s := n.board.Status()
	s.Resort = len(g.snapshot.Stats().Resort) > 0 // the Board does not know families and tenant pools
	return s
}

// toldFor is how long members asked for by DNS are told from one look: whoever
// asks often costs no more.
const toldFor = time.Second

// told is such a look.
type told struct {
	at      time.Time
	members []monitor.Member
}

// tell is what TXT _member says of an address.
func (n *node) tell(addr netip.Addr) []string {
	look, now := n.lastTold.Load(), time.Now()
	if look == nil || now.Sub(look.at) > toldFor {
		look = &told{now, n.members(n.inForce.Load())}
		n.lastTold.Store(look)
	}
	for i := range look.members {
		if look.members[i].Address == addr {
			return look.members[i].Lines(now)
		}
	}
	return nil
}
