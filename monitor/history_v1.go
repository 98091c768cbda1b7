package monitor

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Format 1 had a bucket of buckets, samples: by address in network order, and
// in it by timeKey and vantage one value a check:
//
//	version(1) flags(1) stratum(1) refid(4) offset rtt rootdistance
//	sent lost score step [kiss invalid err]
//
// Numbers are varints, scores and steps millionths, texts have their length in
// front. Outcome is in bits 0–1 of the flags, leap in 2–3, frozen in 4, and 5
// says that there are texts.
var bucketSamples = []byte("samples")

// bringOver makes days of the checks that format 1 kept, address by address. It
// may be cut short: what is done is done.
func (h *History) bringOver() error {
	for more := true; more; {
		err := h.db.Update(func(tx *bolt.Tx) error {
			all := tx.Bucket(bucketSamples)
			if all == nil {
				more = false
				return tx.Bucket(bucketMeta).Put(keyFormat, []byte{historyFormat})
			}
			k, _ := all.Cursor().First()
			if k == nil {
				return tx.DeleteBucket(bucketSamples)
			}
			k = bytes.Clone(k)
			var addr netip.Addr
			if addr.UnmarshalBinary(k) == nil {
				if err := keepV1(tx, addr, all.Bucket(k)); err != nil {
					return err
				}
			}
			return all.DeleteBucket(k)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepV1 keeps the checks of an address.
func keepV1(tx *bolt.Tx, addr netip.Addr, checks *bolt.Bucket) error {
	var day []byte
	var points []Point
	keep := func() error {
		if points == nil {
			return nil
		}
		return keepDay(tx, day, addrPrefix(addr), points)
	}
	err := checks.ForEach(func(k, v []byte) error {
		s, ok := readV1(k, v)
		if !ok {
			return nil
		}
		s.Addr = addr
		if d := dayKey(s.Time); !bytes.Equal(d, day) {
			if err := keep(); err != nil {
				return err
			}
			day, points = d, nil
		}
		points = append(points, pointOf(s))
		return nil
	})
	if err == nil {
		err = keep()
	}
	return err
}

func readV1(k, v []byte) (s Scored, ok bool) {
	if len(k) < 8 || len(v) < 7 || v[0] != 1 {
		return s, false
	}
	s.Time, s.Vantage = time.Unix(0, int64(binary.BigEndian.Uint64(k)^1<<63)).UTC(), string(k[8:])
	flags, t := v[1], tape{b: v[7:]}
	s.Outcome, s.Leap, s.Frozen = Outcome(flags&3), flags>>2&3, flags>>4&1 != 0
	s.Stratum, s.RefID = v[2], binary.BigEndian.Uint32(v[3:])
	var n [7]int64
	for i := range n {
		t.number(&n[i])
	}
	s.Offset, s.RTT, s.RootDistance = time.Duration(n[0]), time.Duration(n[1]), time.Duration(n[2])
	s.Sent, s.Lost, s.Score, s.Step = int(n[3]), int(n[4]), float64(n[5])/1e6, float64(n[6])/1e6
	if flags>>5&1 != 0 {
		for _, text := range []*string{&s.Kiss, &s.Invalid, &s.Err} {
			n, used := binary.Uvarint(t.b)
			if used <= 0 || n > uint64(len(t.b)-used) {
				return s, false
			}
			*text, t.b = string(t.b[used:used+int(n)]), t.b[used+int(n):]
		}
	}
	return s, !t.bad && len(t.b) == 0
}
