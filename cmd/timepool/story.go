package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/timepool/timepool/monitor"
)

// story is one address of a member and the words for it.
type story struct {
	monitor.Member
	Says []string `json:"says"`
	Last []past   `json:"last"` // checks
}

// lastChecks is how many a story has.
const lastChecks = 8

// explainMember prints what the node thinks of the member with that name or address.
func (a *app) explainMember(ctx context.Context, name []string) error {
	all := []monitor.Member{}
	if err := a.ask(ctx, "GET", "/v1/members", &all); err != nil {
		return err
	}
	members, err := named(all, name)
	if err != nil {
		return err
	}
	var stories []story
	var lines []string
	for i := range members {
		if i > 0 {
			lines = append(lines, "")
		}
		m := &members[i]
		says := m.Lines(time.Now())
		lines = append(lines, says...)
		last, err := a.askHistory(ctx, m.Address.String(), m.Checked.Add(-24*time.Hour), time.Now())
		if err == nil && len(last) > 0 { // a static node keeps none
			last = last[max(0, len(last)-lastChecks):]
			lines = append(lines, pastLines(last)...)
		}
		stories = append(stories, story{*m, says, last})
	}
	return a.show(stories, lines)
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
		look = &told{now, n.members()}
		n.lastTold.Store(look)
	}
	for i := range look.members {
		if look.members[i].Address == addr {
			return look.members[i].Lines(now)
		}
	}
	return nil
}
