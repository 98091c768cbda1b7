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
// first; a zero to is no end. Where the checks are no longer kept they come as
// ten minutes each, those that from is in too. Checks that cannot be read are left
// out. After an error it stops. No transaction is open while the caller works, so
// a slow one holds up nobody.
//
// Times are kept to a millisecond, durations to 100 ns, scores to a thousandth.
func (h *History) Range(addr netip.Addr, from, to time.Time) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		waiting := h.waiting(addr) // before the disk is looked at, so that none is missed
		days, err := h.days(from, to)
		var points []Point // one for all days
		last := int64(-1 << 63)
		for i := 0; i <= len(days); i++ {
			if i == len(days) { // those of them that were not written meanwhile
				points = slices.DeleteFunc(waiting, func(p Point) bool { return p.Time.UnixMilli() <= last })
			} else if points, err = h.day(points[:0], days[i], addr); len(points) > 0 {
				last = points[len(points)-1].Time.UnixMilli()
			}
			if err != nil {
				yield(Point{}, err)
				return
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
	}
}

// waiting returns the checks of an address that are not on the disk yet.
func (h *History) waiting(addr netip.Addr) (points []Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.samples {
		if h.samples[i].Addr == addr {
			points = append(points, h.samples[i])
		}
	}
	return points
}

// days returns the days in [from, to) of which anything is kept.
func (h *History) days(from, to time.Time) (days []time.Time, err error) {
	err = h.view(func(tx *bolt.Tx) error {
		periods(tx, from.Truncate(dayLength), to, func(start time.Time, _ *bolt.Bucket) {
			days = append(days, start.Truncate(dayLength))
		})
		return nil
	})
	slices.SortFunc(days, time.Time.Compare)
	return slices.Compact(days), err
}

// day appends an address's points of a day to none, in order of time.
func (h *History) day(points []Point, day time.Time, addr netip.Addr) (_ []Point, err error) {
	err = h.view(func(tx *bolt.Tx) error {
		periods(tx, day, day.Add(dayLength), func(_ time.Time, period *bolt.Bucket) {
			points, _ = readPeriod(points, period, addr)
		})
		return nil
	})
	sortPoints(points)
	return points, err
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
