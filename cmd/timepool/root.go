package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// app is what every subcommand shares: where to write and the common flags.
type app struct {
	out, errs io.Writer
	output    string // table or json
	config    string // node file
	socket    string // of the running node; "" takes it from the node file
}

func newRoot(out, errs io.Writer) *cobra.Command {
	a := &app{out: out, errs: errs}
	root := &cobra.Command{
		Use:           "timepool",
		Short:         "DNS round-robin pool of scored NTP servers for one organisation",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "table", "how to print: table or json")
	flags.StringVar(&a.config, "config", "/etc/timepool/timepool.yaml", "node file")
	flags.StringVar(&a.socket, "socket", "", "socket of the running node (default: the node file's)")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if a.output != "table" && a.output != "json" && (a.output != "csv" || c.Name() != "history") {
			return fmt.Errorf("--output %q: wants table or json", a.output)
		}
		return nil
	}
	root.AddCommand(
		a.serveCommand(), a.checkCommand(), a.probeCommand(), a.membersCommand(), a.statusCommand(), a.reloadCommand(),
		a.explainCommand(), a.whatIfCommand(), a.historyCommand(), a.backupCommand(), a.restoreCommand(),
		a.respondCommand(), a.demoCommand(), a.schemaCommand(), a.versionCommand(),
	)
	root.AddCommand(a.overrideCommands()...)
	return root
}

// command makes a subcommand. What its body returns carries an exit code, so
// that only cobra's own errors count as wrong usage.
func command(use, short string, args cobra.PositionalArgs, body func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		err := body(c.Context(), args)
		if err == nil || errors.As(err, new(failure)) {
			return err
		}
		return fail(exitUnhealthy, err)
	}}
}
