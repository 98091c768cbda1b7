package monitor

import (
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/timepool/timepool/zones"
)

var bucketOverrides = []byte("overrides") // by time and member, in JSON

// overridesMax bounds the record of overrides.
const overridesMax = 1024

// Overrides returns the whole record, oldest first.
func (h *History) Overrides() (record []zones.Override, err error) {
	err = h.guard(func() error {
		return h.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketOverrides)
			if b == nil {
				return nil
			}
			return b.ForEach(func(_, v []byte) error {
				var o zones.Override
				if err := json.Unmarshal(v, &o); err != nil {
					h.log.Warn("an override cannot be read", "file", h.path, "err", err)
					return nil
				}
				record = append(record, o)
				return nil
			})
		})
	})
	return record, err
}

// PutOverride adds o to the record, and returns once it is on the disk.
func (h *History) PutOverride(o zones.Override) error {
	v, err := json.Marshal(o)
	if err != nil {
		return err
	}
	err = h.guard(func() error {
		return h.db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketOverrides)
			if err != nil {
				return err
			}
			if err := b.Put(append(timeKey(o.At), o.Member...), v); err != nil {
				return err
			}
			return shorten(b)
		})
	})
	if err != nil {
		return fmt.Errorf("override is not kept in %s: %w", h.path, cause(err))
	}
	return nil
}

// shorten drops the oldest overrides that another of their member follows, when
// there are too many.
func shorten(b *bolt.Bucket) error {
	var keys []string
	last := map[string]string{}
	err := b.ForEach(func(k, _ []byte) error {
		keys = append(keys, string(k))
		last[string(k[8:])] = string(k)
		return nil
	})
	left := len(keys)
	for _, k := range keys {
		if err == nil && left > overridesMax && last[k[8:]] != k {
			err = b.Delete([]byte(k))
			left--
		}
	}
	return err
}
