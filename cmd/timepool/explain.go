package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/resolver"
)

func (a *app) explainCommand() *cobra.Command {
	c := command("explain MEMBER | explain CLIENT NAME", "Say why a member is in or out, or what a client gets under a pool name, and why", cobra.RangeArgs(1, 2), func(ctx context.Context, args []string) error {
		if len(args) == 1 {
			return a.explainMember(ctx, args)
		}
		if _, _, err := parseClient(args[0]); err != nil {
			return fail(exitUsage, err)
		}
		var e resolver.Explanation
		q := url.Values{"client": args[:1], "name": args[1:]}
		if err := a.ask(ctx, "GET", "/v1/explain?"+q.Encode(), &e); err != nil {
			return err
		}
		return a.show(e, append(e.Head(), aligned(explainHeads, explainRows(&e))...))
	})
	c.Long = `Asks the running node about a member, by name or address: in or out, since when,
by which numbers, what kind of fault it has, and when it will be back. Or what a
client gets under a pool name, and why.

CLIENT is an address, as if it asked itself, or a network, as if a resolver told
its client subnet. NAME is a pool name, with the zone or without: 0.europe`
	return c
}

// parseClient takes an address or a prefix.
func parseClient(text string) (addr netip.Addr, subnet netip.Prefix, err error) {
	if strings.Contains(text, "/") {
		if subnet, err = netip.ParsePrefix(text); err == nil {
			subnet = subnet.Masked()
			return subnet.Addr(), subnet, nil
		}
	} else if addr, err = netip.ParseAddr(text); err == nil {
		return addr, subnet, nil
	}
	return addr, subnet, fmt.Errorf("client %q: wants an address or a network, 10.16.0.0/24", text)
}

// explain tells what a client, as parseClient takes it, gets under a name.
func (n *node) explain(client, name string) (*resolver.Explanation, error) {
	addr, subnet, err := parseClient(client)
	if err != nil {
		return nil, err
	}
	return n.inForce.Load().snapshot.Explain(addr, subnet, name)
}

// handleExplain answers GET /v1/explain?client=…&name=….
func (n *node) handleExplain(w http.ResponseWriter, r *http.Request) {
	e, err := n.explain(r.FormValue("client"), r.FormValue("name"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, e)
}
