package monitor

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Rows returns the latest Row of every address and vantage, as of the last
// write. Rows that cannot be read are left out, and their number is logged:
// such an address starts anew.
func (h *History) Rows() ([]Row, error) {
	var rows []Row
	bad := 0
	err := h.view(func(tx *bolt.Tx) error {
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
	if bad > 0 {
		h.log.Warn("some scores cannot be read and are earned anew", "file", h.path, "addresses", bad)
	}
	return rows, err
}

// Range iterates over an address's checks of all vantages in [from, to), oldest
// first; a zero to is no end. Days whose checks are no longer kept come as ten
// minutes each. Checks that cannot be read are left out. After an error it
// stops. No transaction is open while the caller works, so a slow one holds up
// nobody.
//
// Times are kept to a millisecond, durations to 100 ns, scores to a thousandth.
func (h *History) Range(addr netip.Addr, from, to time.Time) iter.Seq2[Point, error] {
	return h.points(addr, from, to, false)
}

// Rolled iterates like Range, but over ten minutes at a time throughout: for
// weeks and months. Those that from is in come too, whole.
func (h *History) Rolled(addr netip.Addr, from, to time.Time) iter.Seq2[Point, error] {
	return h.points(addr, from, to, true)
}

func (h *History) points(addr netip.Addr, from, to time.Time, coarse bool) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		waiting := h.waiting(addr) // before the disk is looked at, so that none is missed
		days, err := h.days(from, to, waiting)
		var points []Point // one for all days
		for _, day := range days {
			if err == nil {
				err = h.view(func(tx *bolt.Tx) error {
					points, _ = readDay(points[:0], tx, day, addr, coarse)
					return nil
				})
			}
			if err != nil {
				break
			}
			points = withWaiting(points, waiting, day)
			if coarse {
				points = roll(points)
			}
			for i := range points {
				p := &points[i]
				if p.Time.Before(from) && !p.Time.Add(p.For).After(from) || !to.IsZero() && !p.Time.Before(to) {
					continue
				}
				if !yield(*p, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Point{}, err)
		}
	}
}

// waiting returns the checks of an address that are not on the disk yet, as they
// will be there.
func (h *History) waiting(addr netip.Addr) (points []Point) {
	var c coder
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, samples := range [][]Point{h.writing, h.samples} {
		for i := range samples {
			if p := samples[i]; p.Addr == addr {
				c.last = c.pack(&p)
				c.unpack(&p, addr)
				points = append(points, p)
			}
		}
	}
	return points
}

// withWaiting adds a day's points that wait. Those that were written meanwhile
// are there already.
func withWaiting(points, waiting []Point, day []byte) []Point {
	had := len(points)
	for i := range waiting {
		if bytes.Equal(dayKey(waiting[i].Time), day) {
			points = append(points, waiting[i])
		}
	}
	if len(points) == had {
		return points
	}
	sortPoints(points)
	return slices.CompactFunc(points, func(a, b Point) bool { return a.Time.Equal(b.Time) && a.Vantage == b.Vantage })
}

// days returns the keys of the days in [from, to) of which anything is kept, or
// waits.
func (h *History) days(from, to time.Time, waiting []Point) (days [][]byte, err error) {
	err = h.view(func(tx *bolt.Tx) error {
		for _, bucket := range [][]byte{bucketRaw, bucketRolled, bucketOpen} {
			c := tx.Bucket(bucket).Cursor()
			for k, _ := c.Seek(dayKey(from)); k != nil && (to.IsZero() || bytes.Compare(k, timeKey(to)) < 0); k, _ = c.Next() {
				days = append(days, bytes.Clone(k))
			}
		}
		return nil
	})
	for i := range waiting {
		days = append(days, dayKey(waiting[i].Time))
	}
	slices.SortFunc(days, bytes.Compare)
	return slices.CompactFunc(days, bytes.Equal), err
}

// Backup writes the whole store, as of one moment, to w: a file that Restore
// takes. Others read and write meanwhile; the file may grow for as long as it
// takes.
func (h *History) Backup(w io.Writer) error {
	_ = h.flush() // what cannot be written cannot be in it; Status says so
	return h.view(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}
