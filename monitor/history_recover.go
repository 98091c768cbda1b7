package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// recover makes a new store of what is whole in a damaged one, which is set
// aside beside it, and opens it.
func (h *History) recover(why error) error {
	aside, made := h.path+".damaged", h.path+".new"
	kept, lost, err := salvage(h.path, made)
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

// salvage copies what is whole in the store from to a new one. The octets of a
// value are not judged but by who reads it.
func salvage(from, to string) (kept, lost int, err error) {
	f, err := os.Open(from)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	_ = os.Remove(to)
	db, err := bolt.Open(to, 0o640, &bolt.Options{Timeout: time.Second, NoSync: true})
	if err != nil {
		return 0, 0, err
	}
	tx, err := db.Begin(true)
	if err != nil {
		return 0, 0, errors.Join(err, db.Close())
	}
	old := false
	lost, err = readWhole(f, fi.Size(), func(path [][]byte, k, v []byte) (err error) {
		if len(path) == 0 {
			return nil // only buckets are there
		}
		old = old || bytes.Equal(path[0], bucketSamples)
		kept++
		if kept%4096 == 0 { // what a transaction holds, it holds in memory
			if err := tx.Commit(); err != nil {
				return err
			}
			if tx, err = db.Begin(true); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucketIfNotExists(path[0])
		for _, name := range path[1:] {
			if err != nil {
				return err
			}
			b, err = b.CreateBucketIfNotExists(name)
		}
		if err != nil {
			return err
		}
		return b.Put(k, v)
	})
	if err == nil {
		err = stamp(tx, old)
	}
	if err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback()
	}
	return kept, lost, errors.Join(err, db.Sync(), db.Close())
}

// stamp makes a salvaged store ours if its format was lost.
func stamp(tx *bolt.Tx, old bool) error {
	b, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil || b.Get(keyFormat) != nil {
		return err
	}
	if old {
		return b.Put(keyFormat, []byte{1})
	}
	return b.Put(keyFormat, []byte{historyFormat})
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
