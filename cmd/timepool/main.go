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
	"syscall"
	_ "time/tzdata" // a container has no time zones, and maintenance windows want them
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
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
