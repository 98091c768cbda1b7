package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/zones"
)

// Reload is what became of an edit of the registry.
type Reload = web.Reload

func (a *app) reloadCommand() *cobra.Command {
	var force bool
	c := command("reload", "Re-read the registry now and say what became of it", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var r Reload
		if err := a.ask(ctx, "POST", "reload?force="+strconv.FormatBool(force), &r); err != nil {
			return err
		}
		return a.printReload(r)
	})
	c.Flags().BoolVar(&force, "force", false, "accept an edit that loses more than half of a site's eligible members")
	return c
}

func (a *app) printReload(r Reload) error {
	lines := []string{fmt.Sprintf("accepted: generation %d", r.Generation)}
	var outcome error
	switch {
	case !r.Accepted:
		lines = []string{fmt.Sprintf("refused: generation %d stays in force", r.Generation), r.Why}
		if outcome = fail(exitInvalid, errSilent); r.Waits {
			lines, outcome = append(lines, "take it all the same with: timepool reload --force"), fail(exitUnhealthy, errSilent)
		}
	case len(r.Changes) == 0:
		lines = append(lines, "  nothing changed")
	}
	for _, change := range r.Changes {
		lines = append(lines, "  "+change)
	}
	return errors.Join(a.show(r, lines), outcome)
}

// handleReload answers POST reload?force=….
func (n *node) handleReload(w http.ResponseWriter, r *http.Request) {
	force, _ := strconv.ParseBool(r.FormValue("force"))
	var outcome Reload
	if !n.inLoop(r.Context(), func() { outcome = n.reload(force) }) {
		refuse(w, http.StatusServiceUnavailable, "the node is ending")
		return
	}
	reply(w, outcome)
}

// reloadsKept is how many reloads the node's page shows.
const reloadsKept = 20

// reload reads all inputs again and takes them, or says why not. What reads the
// same is accepted and changes nothing. Only the publish loop calls it.
func (n *node) reload(force bool) Reload {
	r := n.tryReload(force)
	r.Changes = append([]string{}, r.Changes...) // JSON wants [] and not null
	r.Time = time.Now()
	g := *n.inForce.Load()
	r.Generation = g.number
	g.reloads = append([]Reload{r}, g.reloads[:min(len(g.reloads), reloadsKept-1)]...)
	n.inForce.Store(&g)
	switch {
	case !r.Accepted:
		n.log.Error("edit refused, the former registry stays in force", "generation", r.Generation, "why", r.Why)
	case len(r.Changes) > 0:
		n.log.Info("edit accepted", "generation", r.Generation, "changes", strings.Join(r.Changes, "; "))
	}
	return r
}

func (n *node) tryReload(force bool) Reload {
	current := n.inForce.Load()
	next := *current
	var err error
	if next.inputs, err = n.config.read(current.inputs); err != nil {
		return Reload{Why: err.Error()}
	}
	var changes []string
	if next.base != current.base {
		if lost := zones.Losses(current.base, next.base, n.eligible); len(lost) > 0 && !force {
			return Reload{Waits: true, Why: "it would lose too much: " + strings.Join(lost, "; ")}
		}
		changes = zones.Diff(current.base, next.base)
		next.registry = nil
	}
	changes = append(changes, n.config.changes(&current.inputs, &next.inputs)...)
	if len(changes) == 0 && next.base == current.base {
		return Reload{Accepted: true}
	}
	next.number++
	if err := n.publish(next); err != nil {
		return Reload{Why: err.Error()}
	}
	return Reload{Accepted: true, Changes: changes}
}

// eligible reports whether addr is handed out now as far as its score goes.
func (n *node) eligible(addr netip.Addr) bool {
	return n.inForce.Load().scores[addr].Standing == zones.In
}
