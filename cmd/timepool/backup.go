package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/web"
)

func (a *app) backupCommand() *cobra.Command {
	return command("backup FILE", "Write scores, overrides and history of the running node to a file, as of one moment", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		made := args[0] + ".part"
		f, err := os.OpenFile(made, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		defer os.Remove(made) // it has its name when all went well
		err = a.ask(ctx, "GET", "backup", f)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		h, err := monitor.OpenHistory(made, monitor.HistoryOptions{ReadOnly: true}) // it is whole
		if err != nil {
			return err
		}
		if err := errors.Join(h.Close(), os.Rename(made, args[0])); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		fi, err := os.Stat(args[0])
		if err == nil {
			_, err = fmt.Fprintf(a.out, "%s: %d octets\n", args[0], fi.Size())
		}
		return err
	})
}

// handleBackup answers GET backup with the whole store. A reader that stops
// reading must not hold the store for ever.
func (n *node) handleBackup(w http.ResponseWriter, _ *http.Request) {
	if n.history == nil {
		refuse(w, http.StatusNotFound, "static: there is nothing to back up")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
	if err == nil {
		err = n.history.Backup(w)
	}
	if err != nil {
		n.log.Warn("backup broken off", "error", err)
		panic(http.ErrAbortHandler) // who reads sees that the end is missing
	}
}

func (a *app) restoreCommand() *cobra.Command {
	return command("restore FILE", "Put a backup in the place of this node's scores, overrides and history, while none runs", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		var s web.Status
		switch err := a.ask(ctx, "GET", "status", &s); {
		case err == nil:
			return errors.New("restore: a timepool runs here: stop it first")
		case !errors.Is(err, errNobody):
			return err
		}
		config, err := loadConfig(a.config)
		if err != nil {
			return err
		}
		if err := monitor.Restore(config.historyFile(), args[0]); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s is in the place of %s\n", args[0], config.historyFile())
		return err
	})
}
