package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func (a *app) serveCommand() *cobra.Command {
	var static bool
	c := command("serve", "Answer DNS for the pool and probe its members", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		config, err := loadConfig(a.config)
		if err != nil {
			return err
		}
		if a.socket != "" {
			config.Socket = a.socket
		}
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP) // before what may take its time, as it would end the process
		defer signal.Stop(hangups)
		n, err := openNode(config, static, newLogger(a.errs, config.Log))
		if err != nil {
			return err
		}
		return n.run(ctx, hangups)
	})
	c.Flags().BoolVar(&static, "static", false, "do not probe: take every active member as eligible (benches, a name server in a disaster)")
	return c
}

// newLogger makes the logger that is handed to every room.
func newLogger(w io.Writer, c LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(fmt.Sprintf("log level %q passed the node file's check", c.Level))
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
