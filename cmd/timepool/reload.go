package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor/web"
)

// Reload is what became of an edit of the registry.
type Reload = web.Reload

func (a *app) reloadCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Re-read the registry now and say what became of it",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command, _ []string) error {
			var r Reload
			path := "/v1/reload"
			if force {
				path += "?force=1"
			}
			if err := a.ask(c.Context(), "POST", path, &r); err != nil {
				return err
			}
			return a.printReload(r)
		}),
	}
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
