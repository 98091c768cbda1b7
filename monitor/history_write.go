package monitor

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pendingMax is how many samples wait in memory for a disk that cannot be
// written; then the oldest go. Rows are few and never go.
const pendingMax = 1 << 16

// Put keeps a Row and its Sample. It never waits for the disk: Run writes.
func (h *History) Put(r Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows[r.Key()] = r
	h.samples = append(h.samples, pointOf(&r))
	if len(h.samples) > pendingMax {
		h.drop(pendingMax / 8)
		h.lost += pendingMax / 8
	}
}

// drop takes the oldest samples away. Who writes them meanwhile still has them.
func (h *History) drop(n int) {
	h.samples = slices.Clone(h.samples[n:])
	h.dropped += n
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

// flush writes what is pending in one transaction. It stays pending until it is
// written, and what comes meanwhile does too.
func (h *History) flush() error {
	if h.o.ReadOnly {
		return nil
	}
	h.flushing.Lock()
	defer h.flushing.Unlock()
	h.mu.Lock()
	rows, samples, upTo := maps.Clone(h.rows), h.samples, h.dropped+len(h.samples)
	h.mu.Unlock()

	err := h.guard(func() error {
		if len(rows) == 0 && len(samples) == 0 {
			return nil
		}
		return h.db.Update(func(tx *bolt.Tx) error { return h.write(tx, rows, samples) })
	})

	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.failing
	h.failing = err
	if err != nil {
		if was == nil {
			h.log.Error("history cannot be written, it is kept in memory", "file", h.path, "err", err)
		}
		return err
	}
	maps.DeleteFunc(h.rows, func(k Key, r Row) bool { return rows[k] == r })
	h.drop(max(upTo-h.dropped, 0)) // some may be lost by now
	if was != nil || h.lost > 0 {  // also a disk that took too long
		h.log.Info("history is written again", "file", h.path, "samples_lost", h.lost)
		h.lost = 0
	}
	return nil
}

func (h *History) write(tx *bolt.Tx, rows map[Key]Row, samples []Point) error {
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
	fresh := stages[0]
	for i := range samples {
		p := &samples[i]
		b, err := tx.Bucket(fresh.bucket).CreateBucketIfNotExists(timeKey(p.Time.Truncate(fresh.period)))
		if err == nil {
			key := append(append(addrPrefix(p.Addr), timeKey(p.Time)...), p.Vantage...)
			err = b.Put(key, writeChunk(samples[i:i+1]))
		}
		if err != nil {
			return err
		}
	}
	return h.settle(tx, h.o.Now())
}
