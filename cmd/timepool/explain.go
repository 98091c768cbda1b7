package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/resolver"
)

func (a *app) explainCommand() *cobra.Command {
	c := command("explain MEMBER | explain CLIENT NAME", "Say why a member is in or out, or what a client gets under a pool name, and why", cobra.RangeArgs(1, 2), func(ctx context.Context, args []string) error {
		if len(args) == 1 {
			return askAndShow(ctx, a, "GET", "members/"+url.PathEscape(args[0]), saidOf)
		}
		if _, _, err := parseClient(args[0]); err != nil {
			return fail(exitUsage, err)
		}
		path := "explain?" + url.Values{"client": args[:1], "name": args[1:]}.Encode()
		return askAndShow(ctx, a, "GET", path, func(e resolver.Explanation) []string { return e.Lines(math.MaxInt) })
	})
	c.Long = `Asks the running node about a member, by name or address: in or out, since when,
by which numbers, what kind of fault it has, and when it will be back. Or what a
client gets under a pool name, and why, as TXT _why.NAME says it.

CLIENT is an address, as if it asked itself, or a network, as if a resolver told
its client subnet. NAME is a pool name, with the zone or without: 0.europe`
	return c
}

// saidOf is what TXT NAME._member.ZONE says.
func saidOf(all []web.Told) (lines []string) {
	for _, m := range all {
		lines = append(lines, m.Says...)
	}
	return lines
}

// parseClient takes an address or a prefix.
func parseClient(text string) (addr netip.Addr, subnet netip.Prefix, err error) {
	if subnet, err = netip.ParsePrefix(text); err == nil {
		subnet = subnet.Masked()
		return subnet.Addr(), subnet, nil
	}
	if addr, err = netip.ParseAddr(text); err != nil {
		err = fmt.Errorf("client %q: wants an address or a network, 10.16.0.0/24", text)
	}
	return addr, netip.Prefix{}, err
}

// explain tells what a client, as parseClient takes it, gets under a name.
func (n *node) explain(client, name string) (*resolver.Explanation, error) {
	addr, subnet, err := parseClient(client)
	if err != nil {
		return nil, err
	}
	return n.inForce.Load().snapshot.Explain(addr, subnet, name)
}

func (a *app) whatIfCommand() *cobra.Command {
	var lose []string
	c := command("what-if --lose SITE|MEMBER [--lose …]", "Say what would become of load, distances and floors without a site or a member", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return askAndShow(ctx, a, "GET", "what-if?"+url.Values{"lose": lose}.Encode(), outlookLines)
	})
	c.Long = `Asks the running node for the answers it would give without some sites or members,
and compares them with those it gives. Nothing is changed.

The load is a model: every site has as many clients as any other, they ask for
the zone's own name, and each uses all addresses of its answer alike. KM is from
a site's clients to what they are handed out, on average.`
	c.Flags().StringArrayVar(&lose, "lose", nil, "a site or a member; may be repeated")
	c.MarkFlagRequired("lose")
	return c
}

// handleWhatIf answers GET what-if?lose=….
func (n *node) handleWhatIf(w http.ResponseWriter, r *http.Request) {
	o, err := n.inForce.Load().snapshot.WhatIf(r.URL.Query()["lose"])
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, o)
}

func outlookLines(o resolver.Outlook) []string {
	percent := func(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }
	var rows [][]string
	for _, p := range o.Sites {
		paint := plain
		if p.Before.Usable > 0 && p.After.Usable == 0 {
			paint = red
		} else if p.After != p.Before {
			paint = yellow
		}
		km := func(l resolver.Load) string {
			switch {
			case p.Site == "":
				return "-" // no clients are taken to be there
			case !l.Served:
				return "no answer"
			}
			return fmt.Sprintf("%.0f", l.Km)
		}
		rows = append(rows, []string{
			cmp.Or(p.Site, "(no site)"), p.Type, paint.of(change(strconv.Itoa, p.Before.Usable, p.After.Usable)),
			paint.of(change(percent, p.Before.Share, p.After.Share)), paint.of(change(km, p.Before, p.After)),
		})
	}
	lines := []string{"without " + cmp.Or(strings.Join(o.Lost, ", "), "anybody")}
	lines = append(lines, aligned([]string{"SITE", "TYPE", "USABLE", "LOAD", "KM"}, rows)...)
	for _, b := range o.Broken {
		line := resolver.Line{Pool: b.Pool, IPv6: b.Type == "AAAA"}
		lines = append(lines, fmt.Sprintf("floor of %d not met: %s, %s members", b.Floor, line, change(strconv.Itoa, b.Before, b.After)))
	}
	return lines
}

// change is "before → after", or one of them when they read the same.
func change[T any](say func(T) string, before, after T) string {
	was, is := say(before), say(after)
	if was == is {
		return is
	}
	return was + " → " + is
}
