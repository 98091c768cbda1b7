package monitor

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// recover makes a new store of what is whole in a damaged one, which is set
// aside beside it, and opens it.
func (h *History) recover(why error) error {
	aside, made := h.path+".damaged", h.path+".new"
	kept, lost, err := h.salvage(made)
	if err != nil {
		_ = os.Remove(made)
		return fmt.Errorf("state file %s is damaged (%w) and cannot be mended (%w): move it away and start again, scores are then earned anew", h.path, why, cause(err))
	}
	if err := replace(made, h.path, aside); err != nil {
		return fmt.Errorf("state file %s is damaged (%w) and cannot be replaced: %w", h.path, why, cause(err))
	}
	h.recovered = fmt.Sprintf("state file %s was damaged (%v): %d values were kept, %d parts of it are lost; the damaged one is %s", h.path, why, kept, lost, aside)
	h.log.Error("history recovered", "says", h.recovered)
	return h.open()
}

// salvaged is how many values a commit of a salvage has.
const salvaged = 4096

// salvage copies what is whole to a new store. Of values that are no chunks the
// octets are not judged but by who reads them.
func (h *History) salvage(to string) (kept, lost int, err error) {
	_ = os.Remove(to)
	made := &History{path: to}
	if err := made.open(); err != nil {
		return 0, 0, err
	}
	made.db.NoSync = true
	tx, err := made.db.Begin(true)
	w := walker{keep: func(path [][]byte, k, v []byte) (err error) {
		switch {
		case len(path) == 0 || !slices.ContainsFunc(buckets, func(b []byte) bool { return bytes.Equal(b, path[0]) }):
			return errors.New("it holds what is not timepool's")
		case bytes.Equal(path[0], bucketMeta):
			return known(v)
		}
		if kept++; kept%salvaged == 0 {
			if err = tx.Commit(); err == nil {
				tx, err = made.db.Begin(true)
			}
		}
		b := tx.Bucket(path[0])
		if err == nil && len(path) > 1 {
			b, err = b.CreateBucketIfNotExists(path[1])
		}
		if err != nil {
			return err
		}
		return b.Put(k, v)
	}}
	if err == nil {
		err = cmp.Or(h.walk(&w), w.end)
	}
	if err == nil {
		err = cmp.Or(tx.Commit(), made.db.Sync())
	} else if tx != nil {
		_ = tx.Rollback()
	}
	return kept, w.lost, errors.Join(err, made.db.Close())
}

// replace puts the file made in the place of path at one stroke, and keeps what
// was there as aside.
func replace(made, path, aside string) error {
	_ = os.Remove(aside)
	if err := os.Link(path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		if err := os.Rename(path, aside); err != nil { // no links in this file system
			return err
		}
	}
	if err := os.Rename(made, path); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every system can
		return dir.Close()
	}
	return nil
}

// Restore puts a copy of the backup in the place of the store at path, at one
// stroke, after it was verified to the last chunk. What was there stays beside
// it as path.replaced. It is an error while a timepool uses the store.
func Restore(path, backup string) error {
	made := path + ".new"
	defer os.Remove(made)
	if err := copyFile(made, backup); err != nil {
		return fmt.Errorf("backup %s cannot be copied beside %s: %w", backup, path, err)
	}
	h, err := OpenHistory(made, HistoryOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("backup %s is not taken: %w", backup, err)
	}
	_ = h.Close()
	if _, err := os.Stat(path); err == nil {
		old := &History{path: path}
		if err := old.bolt(true); err == nil {
			defer old.db.Close()
		} else if !errors.As(err, new(damage)) { // a damaged one may be replaced as well
			return fmt.Errorf("backup %s is not taken: %w", backup, err)
		}
	}
	return replace(made, path, path+".replaced")
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
