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
		log, err := newLogger(a.errs, config.Log)
		if err != nil {
			return err
		}
		n, err := openNode(config, static, log)
		if err != nil {
			return err
		}
		return n.run(ctx, hangups)
	})
	c.Flags().BoolVar(&static, "static", false, "do not probe: take every active member as eligible (benches, a name server in a disaster)")
	return c
}

// newLogger makes the logger that is handed to every room.
func newLogger(w io.Writer, c LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: wants debug, info, warn or error", c.Level)
	}
	o := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q: wants text or json", c.Format)
}
