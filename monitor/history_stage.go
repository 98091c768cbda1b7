package monitor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const dayLength = 24 * time.Hour

// stages are the buckets that a check goes through as it ages. Each has a bucket
// a period, so that the oldest is found, and goes, at one stroke. In the first a
// check is a chunk of its own, so that it costs little to add: addrPrefix, the
// time and the vantage. Then an address has one chunk a day (addrPrefix): of its
// checks, which take little room there, and at last of ten minutes at a time.
var stages = [...]stage{{[]byte("fresh"), time.Hour}, {[]byte("checks"), dayLength}, {[]byte("rolled"), dayLength}}

type stage struct {
	bucket []byte
	period time.Duration
}

const (
	// grace is how long after its end the first stage waits for late checks.
	grace = 5 * time.Minute
	// moveAtOnce is how many addresses of a stage a commit moves on.
	moveAtOnce = 64
)

// periods calls f with each period that begins in [from, to), stage by stage.
func periods(tx *bolt.Tx, from, to time.Time, f func(start time.Time, period *bolt.Bucket)) {
	for _, s := range stages {
		b := tx.Bucket(s.bucket)
		c := b.Cursor()
		for k, _ := c.Seek(timeKey(from)); k != nil && (to.IsZero() || bytes.Compare(k, timeKey(to)) < 0); k, _ = c.Next() {
			f(keyTime(k), b.Bucket(k))
		}
	}
}

// readPeriod appends an address's points of a period, and says how many chunks
// of them could not be read.
func readPeriod(points []Point, period *bolt.Bucket, addr netip.Addr) (_ []Point, bad int) {
	prefix := addrPrefix(addr)
	c := period.Cursor()
	for k, chunk := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, chunk = c.Next() {
		var err error
		if points, err = readChunk(points, addr, chunk); err != nil {
			bad++
		}
	}
	return points, bad
}

// sortPoints puts them in order of time, in which they mostly are.
func sortPoints(points []Point) {
	byTime := func(a, b Point) int { return a.Time.Compare(b.Time) }
	if !slices.IsSortedFunc(points, byTime) {
		slices.SortStableFunc(points, byTime)
	}
}

// settle moves on what has aged, as much as a commit takes, and keeps the file
// in bounds: when it has no room for many more, the oldest period of all goes.
func (h *History) settle(tx *bolt.Tx, now time.Time) error {
	var oldest, of []byte
	for i, keep := range [...]time.Duration{grace, h.o.Keep, h.o.KeepRolled} {
		from := tx.Bucket(stages[i].bucket)
		old := timeKey(now.Add(-keep).Truncate(stages[i].period))
		for n := 0; ; n++ {
			start, _ := from.Cursor().First()
			if start == nil {
				break
			}
			if start = bytes.Clone(start); n == moveAtOnce || bytes.Compare(start, old) >= 0 {
				if oldest == nil || bytes.Compare(start, oldest) < 0 {
					oldest, of = start, stages[i].bucket
				}
				break
			}
			if err := h.move(tx, i, start, now); err != nil {
				return err
			}
		}
	}
	stats := h.db.Stats()
	used := tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(h.db.Info().PageSize)
	if used <= h.o.MaxSize/8*7-2*growBy || oldest == nil {
		return nil
	}
	h.log.Warn("history is as large as it may be, its oldest goes", "file", h.path, "kept_as", string(of), "of", keyTime(oldest), "max_size", h.o.MaxSize)
	return tx.Bucket(of).DeleteBucket(oldest)
}

// move moves the first address of a period on to the next stage. It is the end
// of a period when nobody is left in it or there is no further stage.
func (h *History) move(tx *bolt.Tx, stage int, start []byte, now time.Time) error {
	from := tx.Bucket(stages[stage].bucket)
	c := from.Bucket(start).Cursor()
	k, _ := c.First()
	if k == nil || stage == len(stages)-1 {
		err := from.DeleteBucket(start)
		if stage == 1 { // a day of checks
			err = errors.Join(err, forget(tx, now.Add(-h.o.Keep)))
		}
		return err
	}
	prefix := bytes.Clone(k[:min(len(k), 1+int(k[0]))])
	var addr netip.Addr
	if addr.UnmarshalBinary(prefix[1:]) == nil {
		day := timeKey(keyTime(start).Truncate(dayLength))
		to, err := tx.Bucket(stages[stage+1].bucket).CreateBucketIfNotExists(day)
		if err != nil {
			return err
		}
		points, bad := readPeriod(nil, to, addr)
		points, worse := readPeriod(points, from.Bucket(start), addr)
		if bad+worse > 0 {
			h.log.Warn("checks cannot be read and are lost", "file", h.path, "address", addr, "chunks", bad+worse)
		}
		sortPoints(points)
		if stage+1 == len(stages)-1 {
			points = roll(points)
		}
		to.FillPercent = 1 // addresses come in the order of their keys
		if err := to.Put(prefix, writeChunk(points)); err != nil {
			return err
		}
	}
	for ; bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// forget drops the Rows that are older than cutoff: of addresses that are gone.
func forget(tx *bolt.Tx, cutoff time.Time) (err error) {
	var old [][]byte
	rows := tx.Bucket(bucketRows)
	err = rows.ForEach(func(k, v []byte) error {
		var r Row
		if json.Unmarshal(v, &r) == nil && r.Time.Before(cutoff) {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range old {
		err = cmp.Or(err, rows.Delete(k))
	}
	return err
}
