package monitor

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Rows returns the latest Row of every address and vantage, as of the last
// write. Rows that cannot be read are left out, and their number is logged:
// such an address starts anew.
func (h *History) Rows() ([]Row, error) {
	var rows []Row
	bad := 0
	err := h.guard(func() error {
		return h.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketRows).ForEach(func(k, v []byte) error {
				var r Row
				if json.Unmarshal(v, &r) != nil || !bytes.Equal(k, rowKey(r.Key())) {
					bad++
					return nil
				}
				rows = append(rows, r)
				return nil
			})
		})
	})
	if bad > 0 {
		h.log.Warn("some scores cannot be read and are earned anew", "file", h.path, "addresses", bad)
	}
	return rows, err
}

// chunkSize is how many samples are read at a time.
const chunkSize = 512

// Samples iterates over an address's Samples of all vantages in [since, until),
// oldest first, as of the last write; a zero until is no end. Samples that
// cannot be read are left out. After an error it stops.
//
// No transaction is open while the caller works, so a slow one holds up
// nobody.
func (h *History) Samples(addr netip.Addr, since, until time.Time) iter.Seq2[Scored, error] {
	return func(yield func(Scored, error) bool) {
		var end []byte
		if !until.IsZero() {
			end = timeKey(until)
		}
		for next := timeKey(since); next != nil; {
			var chunk []Scored
			var err error
			chunk, next, err = h.chunk(addr, next, end)
			if err != nil {
				yield(Scored{}, err)
				return
			}
			for _, s := range chunk {
				if !yield(s, nil) {
					return
				}
			}
		}
	}
}

// chunk reads samples from key on; next is nil when that was all.
func (h *History) chunk(addr netip.Addr, key, end []byte) (chunk []Scored, next []byte, err error) {
	err = h.guard(func() error {
		return h.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketSamples).Bucket(addrKey(addr))
			if b == nil {
				return nil
			}
			c := b.Cursor()
			for k, v := c.Seek(key); k != nil && (end == nil || bytes.Compare(k, end) < 0); k, v = c.Next() {
				if len(chunk) == chunkSize {
					next = bytes.Clone(k)
					break
				}
				at, vantage, err := readSampleKey(k)
				s, err2 := readScored(v)
				if err != nil || err2 != nil {
					continue
				}
				s.Time, s.Vantage, s.Addr = at, vantage, addr
				chunk = append(chunk, s)
			}
			return nil
		})
	})
	return chunk, next, err
}
