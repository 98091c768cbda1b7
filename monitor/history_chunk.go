package monitor

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"net/netip"
	"slices"
	"time"
)

// A chunk holds Points of one address, raw ones or rolled ones, one after the
// other, each as what it differs in from the one before:
//
//	crc32c(4) of what follows, kind(1), points
//	point: flags time [state] [source] [counts] [score step] [vantage] [texts] [offset rtt distance] [rolled]
//
// Numbers are varints. Times are kept to a millisecond, as the change of the
// distance to the point before; durations to a tenth of a microsecond, as their
// change; scores and steps to a thousandth, as the difference from what the
// last score and the last step would lead to. A check of a well member comes to
// about nine octets.
const (
	rawKind    = 1
	rolledKind = 2
)

const (
	chunkUnit  = 100 * time.Nanosecond
	chunkScore = 1000 // a score of 1
	textMax    = 60   // bounds what is kept of a text
)

var (
	errChunk   = errors.New("a chunk is damaged or of an unknown kind")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// appendChunk returns the chunk with the points after those that it holds; nil
// is an empty one. The points' address is not kept.
func appendChunk(chunk []byte, kind byte, points []Point) ([]byte, error) {
	c := coder{tape: tape{b: []byte{0, 0, 0, 0, kind}}, rolled: kind == rolledKind}
	if chunk != nil {
		r, err := openChunk(chunk)
		if err != nil {
			return nil, err
		}
		for len(r.b) > 0 {
			r.read()
		}
		if r.bad || r.rolled != c.rolled {
			return nil, errChunk
		}
		c = *r
		c.b = slices.Clone(chunk)
	}
	for i := range points {
		c.write(pack(&points[i]))
	}
	binary.BigEndian.PutUint32(c.b, crc32.Checksum(c.b[4:], castagnoli))
	return c.b, nil
}

// openChunk returns a coder that reads the chunk's points.
func openChunk(chunk []byte) (*coder, error) {
	if len(chunk) < 5 || binary.BigEndian.Uint32(chunk) != crc32.Checksum(chunk[4:], castagnoli) || chunk[4] != rawKind && chunk[4] != rolledKind {
		return nil, errChunk
	}
	return &coder{tape: tape{b: chunk[5:]}, rolled: chunk[4] == rolledKind}, nil
}

// readChunk appends the chunk's points, which are of addr.
func readChunk(points []Point, addr netip.Addr, chunk []byte) ([]Point, error) {
	c, err := openChunk(chunk)
	if err != nil {
		return points, err
	}
	points = slices.Grow(points, len(chunk)/8)
	for len(c.b) > 0 {
		k := c.read()
		if c.bad {
			return points, errChunk
		}
		points = append(points, Point{})
		k.unpack(&points[len(points)-1], addr, c.rolled)
	}
	return points, nil
}

// packed is a Point in whole numbers of the units that chunks keep.
type packed struct {
	state              byte // outcome, leap, frozen
	stratum            byte
	refid              uint32
	time, gap          int64 // gap to the point before
	sent, lost         int64
	score, step        int64
	vantage            string
	texts              [3]string
	offset, rtt, slack int64 // slack is the root distance without the round trip
	checks, silent     int64
	below, above       [3]int64 // by how much Low and High differ from offset, RTT, score
}

// pack rounds p to what chunks keep.
func pack(p *Point) packed {
	unit := func(d time.Duration) int64 { return int64(d.Round(chunkUnit) / chunkUnit) }
	score := func(v float64) int64 { return int64(math.Round(v * chunkScore)) }
	k := packed{
		state: byte(p.Outcome)&3 | p.Leap&3<<2, stratum: p.Stratum, refid: p.RefID, time: p.Time.UnixMilli(),
		sent: int64(p.Sent), lost: int64(p.Lost), score: score(p.Score), step: score(p.Step), vantage: p.Vantage,
		texts:  [3]string{clip(p.Kiss), clip(p.Invalid), clip(p.Err)},
		offset: unit(p.Offset), rtt: unit(p.RTT), checks: int64(p.Checks), silent: int64(p.Silent),
	}
	k.slack = unit(p.RootDistance) - k.rtt/2
	if p.Frozen {
		k.state |= 1 << 4
	}
	for i, v := range [3]int64{k.offset, k.rtt, k.score} {
		k.below[i] = v - [3]int64{unit(p.Low.Offset), unit(p.Low.RTT), score(p.Low.Score)}[i]
		k.above[i] = [3]int64{unit(p.High.Offset), unit(p.High.RTT), score(p.High.Score)}[i] - v
	}
	return k
}

func clip(s string) string { return s[:min(len(s), textMax)] }

// unpack makes p what pack rounded.
func (k *packed) unpack(p *Point, addr netip.Addr, rolled bool) {
	unit := func(v int64) time.Duration { return time.Duration(v) * chunkUnit }
	score := func(v int64) float64 { return float64(v) / chunkScore }
	s := &p.Sample
	s.Time, s.Vantage, s.Addr, s.Outcome = time.UnixMilli(k.time).UTC(), k.vantage, addr, Outcome(k.state&3)
	s.Offset, s.RTT, s.RootDistance = unit(k.offset), unit(k.rtt), unit(k.slack+k.rtt/2)
	s.Stratum, s.Leap, s.RefID = k.stratum, k.state>>2&3, k.refid
	s.Kiss, s.Invalid, s.Err = k.texts[0], k.texts[1], k.texts[2]
	s.Sent, s.Lost = int(k.sent), int(k.lost)
	p.Score, p.Step, p.Frozen = score(k.score), score(k.step), k.state&(1<<4) != 0
	if rolled {
		p.For, p.Checks, p.Silent = RollFor, int(k.checks), int(k.silent)
		p.Low = Extremes{unit(k.offset - k.below[0]), unit(k.rtt - k.below[1]), score(k.score - k.below[2])}
		p.High = Extremes{unit(k.offset + k.above[0]), unit(k.rtt + k.above[1]), score(k.score + k.above[2])}
		return
	}
	p.sumUpOne()
}
