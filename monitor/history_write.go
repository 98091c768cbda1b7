package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pendingMax is how many samples wait in memory for a disk that cannot be
// written; then the oldest go. Rows are few and never go.
const pendingMax = 1 << 16

// pending is one sample on its way to the disk.
type pending struct {
	addr       netip.Addr
	key, value []byte
}

// Put keeps a Row and its Sample. It never waits for the disk: Run writes.
func (h *History) Put(r Row) {
	p := pending{r.Addr, sampleKey(r.Time, r.Vantage), appendScored(nil, Scored{r.Sample, r.Score, r.Step, r.Frozen})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows[r.Key()] = r
	h.samples = append(h.samples, p)
	h.trim()
}

// trim gives up the oldest samples that are too many, an eighth at a time.
func (h *History) trim() {
	if len(h.samples) <= pendingMax {
		return
	}
	n := len(h.samples) - pendingMax*7/8
	h.samples = slices.Delete(h.samples, 0, n)
	h.lost += n
}

// Run writes what was Put, at most once a second, and the rest when ctx is
// done. A disk that cannot be written is logged once, and again when it can.
func (h *History) Run(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.flush()
		case <-t.C:
			_ = h.flush() // said in the log, and tried again
		}
	}
}

// flush writes what is pending in one transaction. What cannot be written is
// pending again.
func (h *History) flush() error {
	h.flushing.Lock()
	defer h.flushing.Unlock()
	h.mu.Lock()
	rows, samples := h.rows, h.samples
	h.rows, h.samples = map[Key]Row{}, nil
	h.mu.Unlock()
	if len(rows) == 0 && len(samples) == 0 {
		return nil
	}

	err := h.guard(func() error {
		return h.db.Update(func(tx *bolt.Tx) error { return h.write(tx, rows, samples) })
	})

	lost := h.settle(err, rows, samples)
	switch failing := err != nil; {
	case failing && !h.failing:
		h.log.Error("history cannot be written, it is kept in memory", "file", h.path, "err", err)
	case !failing && h.failing:
		h.log.Info("history is written again", "file", h.path, "samples_lost", lost)
	}
	h.failing = err != nil
	return err
}

// settle ends a flush: what could not be written is pending again, unless
// something newer is. It returns how many samples were lost since the last
// flush that worked.
func (h *History) settle(err error, rows map[Key]Row, samples []pending) (lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		lost, h.lost = h.lost, 0
		return lost
	}
	maps.Copy(rows, h.rows)
	h.rows, h.samples = rows, append(samples, h.samples...)
	h.trim()
	return h.lost
}

func (h *History) write(tx *bolt.Tx, rows map[Key]Row, samples []pending) error {
	b := tx.Bucket(bucketRows)
	for k, r := range rows {
		v, err := json.Marshal(r)
		if err == nil {
			err = b.Put(rowKey(k), v)
		}
		if err != nil {
			return err
		}
	}
	b = tx.Bucket(bucketSamples)
	for _, p := range samples {
		times, err := b.CreateBucketIfNotExists(addrKey(p.addr))
		if err != nil {
			return err
		}
		times.FillPercent = 0.9 // keys ascend
		if err := times.Put(p.key, p.value); err != nil {
			return err
		}
	}
	return h.prune(tx, timeKey(time.Now().Add(-h.keep)), 256+2*len(samples))
}

// prune drops samples from before cutoff, and addresses that have none left.
// It looks at a few addresses a call and drops at most budget samples: twice
// what comes in, so that it keeps up without ever taking long.
func (h *History) prune(tx *bolt.Tx, cutoff []byte, budget int) error {
	all := tx.Bucket(bucketSamples)
	for range 16 {
		k, _ := all.Cursor().Seek(h.next)
		if k == nil {
			h.next = nil
			return nil
		}
		k = bytes.Clone(k)
		times := all.Bucket(k)
		n, err := drop(times, nil, budget, func(t, _ []byte) bool { return bytes.Compare(t, cutoff) < 0 })
		if err != nil {
			return err
		}
		if budget -= n; budget == 0 {
			return nil // this address goes on next time
		}
		if first, _ := times.Cursor().First(); first == nil {
			if err := forget(tx, k, cutoff); err != nil {
				return err
			}
		}
		h.next = append(k, 0)
	}
	return nil
}

// forget drops an address without samples: its bucket and its Rows.
func forget(tx *bolt.Tx, addr, cutoff []byte) error {
	if err := tx.Bucket(bucketSamples).DeleteBucket(addr); err != nil {
		return err
	}
	prefix := rowPrefix(addr)
	_, err := drop(tx.Bucket(bucketRows), prefix, math.MaxInt, func(k, v []byte) bool {
		var r Row
		return bytes.HasPrefix(k, prefix) && (json.Unmarshal(v, &r) != nil || bytes.Compare(timeKey(r.Time), cutoff) < 0)
	})
	return err
}

// drop deletes the keys from from on as long as they are old, and at most
// limit.
func drop(b *bolt.Bucket, from []byte, limit int, old func(k, v []byte) bool) (int, error) {
	var keys [][]byte
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil && len(keys) < limit && old(k, v); k, v = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
