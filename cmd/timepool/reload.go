package main

import (
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
	if a.output == "json" {
		if err := printJSON(a.out, r); err != nil {
			return err
		}
	} else if r.Accepted {
		fmt.Fprintf(a.out, "accepted: generation %d\n", r.Generation)
		for _, change := range r.Changes {
			fmt.Fprintln(a.out, "  "+change)
		}
		if len(r.Changes) == 0 {
			fmt.Fprintln(a.out, "  nothing changed")
		}
	} else {
		fmt.Fprintf(a.out, "refused: generation %d stays in force\n%s\n", r.Generation, r.Why)
		if r.Waits {
			fmt.Fprintln(a.out, "take it all the same with: timepool reload --force")
		}
	}
	switch {
	case r.Accepted:
		return nil
	case r.Waits:
		return fail(exitUnhealthy, errSilent)
	}
	return fail(exitInvalid, errSilent)
}
