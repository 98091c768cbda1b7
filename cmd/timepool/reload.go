package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor/web"
)

// Reload is what became of an edit of the registry.
type Reload = web.Reload

func (a *app) reloadCommand() *cobra.Command {
	var force bool
	c := command("reload", "Re-read the registry now and say what became of it", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var r Reload
		path := "/v1/reload"
		if force {
			path += "?force=1"
		}
		if err := a.ask(ctx, "POST", path, &r); err != nil {
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
