package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pendingMax is how many samples wait in memory for a disk that cannot be
// written; then the oldest go. Rows are few and never go.
const pendingMax = 1 << 16

// chunkFull is the size from which an open chunk is left alone and the next
// begun: a check costs as much to add as its chunk to write.
const chunkFull = 512

// Put keeps a Row and its Sample. It never waits for the disk: Run writes.
func (h *History) Put(r Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows[r.Key()] = r
	h.samples = append(h.samples, pointOf(&r))
	h.trim()
}

// trim gives up the oldest samples that are too many, an eighth at a time. Those
// that are being written are not among them.
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

// flush writes what is pending in one transaction. What cannot be written stays
// pending, and what comes meanwhile does too.
func (h *History) flush() error {
	if h.o.ReadOnly {
		return nil
	}
	h.flushing.Lock()
	defer h.flushing.Unlock()
	h.mu.Lock()
	rows, samples := h.rows, h.samples
	h.rows, h.samples, h.writing = map[Key]Row{}, nil, samples
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
	h.failing, h.writing = err, nil
	if err != nil {
		maps.Copy(rows, h.rows)
		h.rows, h.samples = rows, append(samples, h.samples...)
		h.trim()
	}
	switch {
	case err != nil && was == nil:
		h.log.Error("history cannot be written, it is kept in memory", "file", h.path, "err", err)
	case err == nil && (was != nil || h.lost > 0): // also a disk that took too long
		h.log.Info("history is written again", "file", h.path, "samples_lost", h.lost)
		h.lost = 0
	}
	return err
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
	type place struct{ day, addr string }
	groups := map[place][]Point{}
	for i := range samples {
		at := place{string(dayKey(samples[i].Time)), string(addrPrefix(samples[i].Addr))}
		groups[at] = append(groups[at], samples[i])
	}
	for at, points := range groups {
		day, err := tx.Bucket(bucketOpen).CreateBucketIfNotExists([]byte(at.day))
		if err == nil {
			err = extend(day, []byte(at.addr), points)
		}
		if err != nil {
			return err
		}
	}
	now := h.o.Now()
	return errors.Join(h.closeDays(tx, now), h.prune(tx, now))
}

// extend adds points to the last open chunk of an address, or to a new one when
// that is full or cannot be read.
func extend(day *bolt.Bucket, addr []byte, points []Point) error {
	c := day.Cursor()
	var chunk []byte
	key, _ := c.Seek(append(bytes.Clone(addr), 0xff, 0xff))
	if key == nil {
		key, chunk = c.Last()
	} else {
		key, chunk = c.Prev()
	}
	err := errChunk
	var longer []byte
	if bytes.HasPrefix(key, addr) && len(chunk) < chunkFull {
		longer, err = appendChunk(chunk, points)
	}
	if err != nil {
		for key = append(bytes.Clone(addr), timeKey(points[0].Time)...); day.Get(key) != nil; {
			key = append(key, 0) // the clock was set back
		}
		longer, err = appendChunk(nil, points)
	}
	if err != nil {
		return err
	}
	return day.Put(bytes.Clone(key), longer)
}
