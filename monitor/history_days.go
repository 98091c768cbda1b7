package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	dayLength = 24 * time.Hour
	// dayGrace is how long after its end a day still waits for late checks.
	dayGrace = 5 * time.Minute
	// closeAtOnce is of how many addresses a commit closes a day.
	closeAtOnce = 32
	// growBy is by how many octets the file grows.
	growBy = 1 << 20
)

// dayKey names the day that t is in, UTC.
func dayKey(t time.Time) []byte { return timeKey(t.Truncate(dayLength)) }

// readDay appends an address's points of a day to none, in order of time, and
// says how many chunks of them could not be read. Ten minutes at a time come
// where the checks are gone or, if coarse, where the day is closed.
func readDay(points []Point, tx *bolt.Tx, day []byte, addr netip.Addr, coarse bool) (_ []Point, bad int) {
	prefix := addrPrefix(addr)
	read := func(chunk []byte) {
		var err error
		if points, err = readChunk(points, addr, chunk); err != nil {
			bad++
		}
	}
	closed := func(bucket []byte) {
		if b := tx.Bucket(bucket).Bucket(day); b != nil {
			if chunk := b.Get(prefix); chunk != nil {
				read(chunk)
			}
		}
	}
	var open [][]byte
	if b := tx.Bucket(bucketOpen).Bucket(day); b != nil {
		c := b.Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			open = append(open, v)
		}
	}
	if coarse && open == nil {
		closed(bucketRolled)
	}
	if len(points) == 0 {
		closed(bucketRaw)
	}
	for _, chunk := range open {
		read(chunk)
	}
	if len(points) == 0 {
		closed(bucketRolled)
	}
	sortPoints(points)
	return points, bad
}

// sortPoints puts them in order of time, in which they are but for late ones.
func sortPoints(points []Point) {
	for i := 1; i < len(points); i++ {
		if points[i].Time.Before(points[i-1].Time) {
			slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
			return
		}
	}
}

// closeDays closes days that are over, some addresses at a time: the open chunks
// of each become one chunk, and one of ten minutes at a time. They come in the
// order of their keys, so that the pages of the tree are full.
func (h *History) closeDays(tx *bolt.Tx, now time.Time) error {
	open := tx.Bucket(bucketOpen)
	for range closeAtOnce {
		day, _ := open.Cursor().First()
		if day == nil || bytes.Compare(day, dayKey(now.Add(-dayGrace))) >= 0 {
			return nil
		}
		day = bytes.Clone(day)
		c := open.Bucket(day).Cursor()
		k, _ := c.First()
		if k == nil {
			if err := open.DeleteBucket(day); err != nil {
				return err
			}
			continue
		}
		prefix := bytes.Clone(k[:min(len(k), 1+int(k[0]))])
		var addr netip.Addr
		if addr.UnmarshalBinary(prefix[1:]) == nil {
			points, bad := readDay(nil, tx, day, addr, false)
			if bad > 0 {
				h.log.Warn("checks cannot be read and are lost", "file", h.path, "address", addr, "chunks", bad)
			}
			if err := keepDay(tx, day, prefix, points); err != nil {
				return err
			}
		}
		for ; bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepDay keeps an address's points of a day that is over, as they are and
// rolled.
func keepDay(tx *bolt.Tx, day, prefix []byte, points []Point) error {
	for _, kept := range []struct {
		bucket []byte
		points []Point
	}{{bucketRaw, points}, {bucketRolled, roll(points)}} {
		b, err := tx.Bucket(kept.bucket).CreateBucketIfNotExists(day)
		if err != nil {
			return err
		}
		b.FillPercent = 1
		chunk, err := appendChunk(nil, kept.points)
		if err == nil {
			err = b.Put(prefix, chunk)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prune drops a day that is too old, of each kind, or the oldest day of all when
// the file has no room for many more. A commit drops one, so that none takes
// long. With a day of checks go the Rows of addresses that are gone since.
func (h *History) prune(tx *bolt.Tx, now time.Time) error {
	var oldest, of []byte
	for _, b := range []struct {
		name []byte
		keep time.Duration
	}{{bucketRaw, h.o.Keep}, {bucketOpen, h.o.KeepRolled}, {bucketRolled, h.o.KeepRolled}} {
		day, _ := tx.Bucket(b.name).Cursor().First()
		if day == nil {
			continue
		}
		if bytes.Compare(day, dayKey(now.Add(-b.keep))) < 0 {
			return errors.Join(forget(tx, now.Add(-h.o.Keep)), tx.Bucket(b.name).DeleteBucket(bytes.Clone(day)))
		}
		if oldest == nil || bytes.Compare(day, oldest) < 0 {
			oldest, of = bytes.Clone(day), b.name
		}
	}
	stats := h.db.Stats()
	used := tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(h.db.Info().PageSize)
	if used > h.o.MaxSize/8*7-2*growBy && oldest != nil {
		h.log.Warn("history is as large as it may be, its oldest day goes", "file", h.path, "kept_as", string(of), "max_size", h.o.MaxSize)
		return tx.Bucket(of).DeleteBucket(oldest)
	}
	return nil
}

// forget drops the Rows that are older than cutoff.
func forget(tx *bolt.Tx, cutoff time.Time) error {
	var old [][]byte
	rows := tx.Bucket(bucketRows)
	err := rows.ForEach(func(k, v []byte) error {
		var r Row
		if json.Unmarshal(v, &r) == nil && r.Time.Before(cutoff) {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range old {
		err = errors.Join(err, rows.Delete(k))
	}
	return err
}
