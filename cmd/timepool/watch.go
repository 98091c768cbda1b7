package main

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"
)

const (
	watchEvery = 500 * time.Millisecond // how often the files are looked at
	watchLooks = 6                      // an edit that goes on is told after so many all the same
)

// sight is what is seen of files, by path, without reading them.
type sight map[string]fs.FileInfo

// look sees those of the files that are there.
func look(paths ...string) sight {
	s := sight{}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			s[path] = info
		}
	}
	return s
}

// same reports whether nothing was edited in between, nor let be read. A file that
// was put in the place of another is another, though its time and size be the same.
func (s sight) same(t sight) bool {
	return maps.EqualFunc(s, t, func(a, b fs.FileInfo) bool {
		return os.SameFile(a, b) && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
	})
}

// watcher tells when one of some files was edited. It looks at them and asks
// the kernel for no events: those do not come for a link whose target changed,
// a mounted folder that is swapped, or a network file system.
type watcher struct {
	files     func() []string
	edits     chan struct{} // one value an edit, of however many files
	every     time.Duration
	told, now sight
	looks     int // since the files began to change
}

// newWatcher tells of edits from now on.
func newWatcher(files func() []string) *watcher {
	now := look(files()...)
	return &watcher{files: files, edits: make(chan struct{}, 1), every: watchEvery, told: now, now: now}
}

// run looks until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if w.edited() {
			select {
			case w.edits <- struct{}{}:
			default: // one is waiting already and will see this edit too
			}
		}
	}
}

// edited looks, and reports whether an edit is over: what changes from look to
// look may be half written.
func (w *watcher) edited() bool {
	before := w.now
	if w.now = look(w.files()...); w.now.same(w.told) {
		w.looks = 0
		return false
	}
	if w.looks++; !w.now.same(before) && w.looks < watchLooks {
		return false
	}
	w.told, w.looks = w.now, 0
	return true
}

// watchedFiles are those that an edit may touch.
func (n *node) watchedFiles() (paths []string) {
	for _, p := range n.config.files() {
		paths = append(paths, *p)
	}
	folder := filepath.Dir(n.config.Registry)
	members, _ := fs.Glob(os.DirFS(folder), "members.d/*.yaml") // the pattern is good
	for _, name := range members {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}
