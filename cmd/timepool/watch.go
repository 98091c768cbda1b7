package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	editQuiet = 250 * time.Millisecond // an edit is over when nothing happened for so long
	editMost  = 3 * time.Second        // but is looked at after so long all the same
	watchPoll = 5 * time.Second        // how often the files are looked at without an event
)

// watcher tells when one of some files was edited. It watches their folders:
// editors and configuration tools replace files, and a watch on a file dies
// with it. Where no event comes (a symbolic link whose target changed, a network
// file system) it sees a new size or time within seconds.
type watcher struct {
	notify  *fsnotify.Watcher
	paths   []string // patterns of filepath.Match
	folders map[string]bool
	log     *slog.Logger
	edits   chan struct{} // one value an edit, however many events that was
	poll    time.Duration
	seen    string // what look saw when the last edit was told
}

func newWatcher(paths []string, log *slog.Logger) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	w := &watcher{notify: notify, paths: paths, folders: make(map[string]bool), log: log, edits: make(chan struct{}, 1), poll: watchPoll}
	for _, p := range paths {
		w.folders[filepath.Dir(p)] = true
	}
	for f := range w.folders {
		if err := w.add(f); err != nil {
			notify.Close()
			return nil, fmt.Errorf("watching %s: %w", f, err)
		}
	}
	w.seen = w.look()
	return w, nil
}

// add watches a folder; one that is not there yet is added when it appears.
func (w *watcher) add(folder string) error {
	if err := w.notify.Add(folder); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// run gathers events into edits until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	defer w.notify.Close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	var quiet, most <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.notify.Events:
			if !w.concerns(e) {
				continue
			}
			quiet = time.After(editQuiet)
			if most == nil {
				most = time.After(editMost)
			}
			continue
		case err := <-w.notify.Errors:
			w.log.Warn("watching files", "error", err) // events may be lost: look
		case <-poll.C:
			if quiet != nil || w.look() == w.seen {
				continue
			}
			quiet = time.After(editQuiet) // it may be half written
			continue
		case <-quiet:
		case <-most:
		}
		quiet, most, w.seen = nil, nil, w.look()
		select {
		case w.edits <- struct{}{}:
		default: // one is waiting already and will see this edit too
		}
	}
}

// look is what tells an edit without reading: the files' names, times and sizes.
func (w *watcher) look() string {
	var b strings.Builder
	for _, pattern := range w.paths {
		files, _ := filepath.Glob(pattern) // of a good pattern; what cannot be read is not there
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				fmt.Fprintln(&b, file, info.ModTime().UnixNano(), info.Size())
			}
		}
	}
	return b.String()
}

// concerns reports whether an event may have changed what the paths hold. A
// name that begins with ".." is how Kubernetes swaps a whole mounted folder.
func (w *watcher) concerns(e fsnotify.Event) bool {
	if w.folders[e.Name] {
		if e.Has(fsnotify.Create) {
			if err := w.add(e.Name); err != nil {
				w.log.Warn("cannot watch folder", "folder", e.Name, "error", err)
			}
		}
		return true
	}
	if strings.HasPrefix(filepath.Base(e.Name), "..") {
		return true
	}
	for _, p := range w.paths {
		if ok, _ := filepath.Match(p, e.Name); ok {
			return true
		}
	}
	return false
}

// watchedPaths are the files an edit may touch.
func (n *node) watchedPaths() []string {
	paths := []string{n.config.Registry, filepath.Join(filepath.Dir(n.config.Registry), "members.d", "*.yaml")}
	for _, p := range []string{n.config.GeoIP, n.config.LeapFile, n.config.DNS.CookieSecrets} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	for _, k := range n.config.DNS.Transfer.Keys {
		paths = append(paths, k.File)
	}
	return paths
}
