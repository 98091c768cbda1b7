package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/resolver"
)

func (a *app) whatIfCommand() *cobra.Command {
	var lose []string
	c := command("what-if --lose SITE|MEMBER [--lose …]", "Say what would become of load, distances and floors without a site or a member", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if len(lose) == 0 {
			return fail(exitUsage, errors.New("what-if: say what is lost: --lose SITE or --lose MEMBER"))
		}
		var o resolver.Outlook
		if err := a.ask(ctx, "GET", "/v1/what-if?"+url.Values{"lose": lose}.Encode(), &o); err != nil {
			return err
		}
		return a.show(o, outlookLines(&o))
	})
	c.Long = `Asks the running node for the answers it would give without some sites or members,
and compares them with those it gives. Nothing is changed.

The load is a model: every site has as many clients as any other, they ask for
the zone's own name, and each uses all addresses of its answer alike. KM is from
a site's clients to what they are handed out, on average.`
	c.Flags().StringArrayVar(&lose, "lose", nil, "a site or a member; may be repeated")
	return c
}

// handleWhatIf answers GET /v1/what-if?lose=….
func (n *node) handleWhatIf(w http.ResponseWriter, r *http.Request) {
	o, err := n.inForce.Load().snapshot.WhatIf(r.URL.Query()["lose"])
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, o)
}

func outlookLines(o *resolver.Outlook) []string {
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

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// change is "before → after", or one of them when they read the same.
func change[T any](say func(T) string, before, after T) string {
	was, is := say(before), say(after)
	if was == is {
		return is
	}
	return was + " → " + is
}
