package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

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
	if err == nil {
		err = errors.Join(h.guard(h.readAll), h.Close())
	}
	if err != nil {
		return fmt.Errorf("backup %s is not taken: %w", backup, err)
	}
	if _, err := os.Stat(path); err == nil {
		db, err := bolt.Open(path, 0o640, &bolt.Options{Timeout: time.Second, ReadOnly: true})
		if errors.Is(err, bolterrors.ErrTimeout) {
			return fmt.Errorf("a timepool uses %s: stop it first", path)
		}
		if err == nil { // a damaged one may be replaced as well
			defer db.Close()
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

// readAll reads every chunk.
func (h *History) readAll() error {
	return h.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range [][]byte{bucketOpen, bucketRaw, bucketRolled} {
			b := tx.Bucket(bucket)
			if b == nil {
				return damage{h.path, errors.New("a bucket is missing")}
			}
			err := b.ForEachBucket(func(day []byte) error {
				return b.Bucket(day).ForEach(func(_, chunk []byte) error {
					if _, err := openChunk(chunk); err != nil {
						return damage{h.path, err}
					}
					return nil
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
