// Command timepool is the whole product in one binary: the DNS server and
// prober (serve), the NTP responder for member hosts (respond), a demonstration
// that needs nothing (demo), and the tools to check, ask and reload a node.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // a container has no time zones, and maintenance windows want them

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) }) // a second Ctrl-C ends it at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes, the same for every subcommand.
const (
	exitOK          = 0
	exitUnhealthy   = 1  // it ran and the answer is no: a bad member, a refused edit, a failed start
	exitInvalid     = 3  // the registry or the node file is wrong
	exitUnreachable = 4  // no node behind the socket
	exitUsage       = 64 // EX_USAGE of sysexits.h
)

// failure is an error that knows its exit code.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// fail gives err an exit code; nil stays nil.
func fail(code int, err error) error {
	if err == nil {
		return nil
	}
	return failure{code, err}
}

// errSilent ends with a code when everything has been said on standard output.
var errSilent = errors.New("")

// run is main without the process: testscript runs it in-process.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := newRoot(out, errs)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if err.Error() != "" {
		fmt.Fprintln(errs, "timepool:", err)
	}
	var f failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitUsage // cobra's own: an unknown command or flag
}

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

// version is set by release builds with -ldflags "-X main.version=v1.2.3".
var version string

// buildVersion is the release, or else the module version Go recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}

func (a *app) versionCommand() *cobra.Command {
	return command("version", "Print the version", cobra.NoArgs, func(_ context.Context, _ []string) error {
		v := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		return a.show(v, []string{fmt.Sprintf("timepool %s (%s, %s)", v.Version, v.Go, v.Platform)})
	})
}
