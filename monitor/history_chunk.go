package monitor

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// A chunk holds Points of one address one after the other, each as what it
// differs in from what the one before leads to:
//
//	crc32c(4) of what follows, points
//	point: which numbers differ (a bit each), by how much
//
// All are varints. A point leads to one as long after it as it was after the one
// before, with the same step and the score that results, and the rest as it was.
// A check of a well member comes to about eight octets.

var (
	errChunk   = errors.New("a chunk is damaged")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// The units of what chunks keep, beside a millisecond for times of day.
const (
	chunkUnit  = 100 * time.Nanosecond // of durations
	chunkScore = 1000                  // a score of 1
	textMax    = 60                    // bounds what is kept of a text
)

// packed is a Point in whole numbers of the units that chunks keep.
type packed [numbers]int64

// Where the numbers of a packed point are; those that mostly differ come first.
const (
	inTime = iota // since 1970
	inOffset
	inRTT
	inSlack // the root distance without the round trip
	inScore
	inStep
	inLost
	inSent
	inOutcome
	inLeap
	inFrozen
	inStratum
	inRefID
	inChecks // of a rolled point, as all up to inVantage; 0: one check
	inSilent
	inWrong
	inLow                // by how much Low differs from offset, RTT and score …
	inHigh    = iota + 2 // … and High
	inVantage = iota + 4 // from here on places of texts
	inKiss
	inInvalid
	inErr
	numbers
)

// writeChunk returns a chunk of the points, without their address.
func writeChunk(points []Point) []byte {
	c := coder{b: make([]byte, 4, 4+16*len(points)), texts: []string{""}}
	for i := range points {
		c.write(&points[i])
	}
	binary.BigEndian.PutUint32(c.b, crc32.Checksum(c.b[4:], castagnoli))
	return c.b
}

// checkChunk says whether a chunk is whole.
func checkChunk(chunk []byte) error {
	if len(chunk) < 4 || binary.BigEndian.Uint32(chunk) != crc32.Checksum(chunk[4:], castagnoli) {
		return errChunk
	}
	return nil
}

// readChunk appends the chunk's points, which are of addr.
func readChunk(points []Point, addr netip.Addr, chunk []byte) ([]Point, error) {
	if err := checkChunk(chunk); err != nil {
		return points, err
	}
	c := coder{b: chunk[4:], texts: []string{""}}
	points = slices.Grow(points, len(chunk)/8)
	for len(c.b) > 0 {
		if !c.read() {
			return points, errChunk
		}
		points = append(points, Point{Sample: Sample{Addr: addr}})
		c.convert(&points[len(points)-1], &c.last, false)
	}
	return points, nil
}

// coder passes points to or from a chunk.
type coder struct {
	b     []byte   // what was written, or is left to read
	last  packed   // the point before; when reading, the one that was read
	gap   int64    // from the one before that to it
	texts []string // those that came up, which packed points name by their place
}

// expect makes of the last point what it leads to.
func (c *coder) expect() {
	c.last[inTime] += c.gap
	c.last[inScore] = min((c.last[inScore]*95+50)/100+c.last[inStep], BestScore*chunkScore)
}

// write appends p.
func (c *coder) write(p *Point) {
	known := int64(len(c.texts))
	var k packed
	c.convert(p, &k, true)
	gap := k[inTime] - c.last[inTime]
	c.expect()
	differ := uint64(0)
	for n := range k {
		if k[n] != c.last[n] {
			differ |= 1 << n
		}
	}
	c.b = binary.AppendUvarint(c.b, differ)
	for ; differ != 0; differ &= differ - 1 {
		n := bits.TrailingZeros64(differ)
		c.b = binary.AppendVarint(c.b, k[n]-c.last[n])
		if n >= inVantage && k[n] == known {
			text := c.texts[known]
			c.b = append(binary.AppendVarint(c.b, int64(len(text))), text...)
			known++
		}
	}
	c.last, c.gap = k, gap
}

// read makes the next point of the chunk the last one, and reports whether it
// makes sense.
func (c *coder) read() bool {
	was := c.last[inTime]
	c.expect()
	differ, n := binary.Uvarint(c.b)
	c.b = c.b[max(n, 0):]
	ok := n > 0 && differ < 1<<numbers
	for ; ok && differ != 0; differ &= differ - 1 {
		ok = c.change(bits.TrailingZeros64(differ))
	}
	c.gap = c.last[inTime] - was
	return ok
}

// change moves a number of the last point by what comes next, and takes the
// text in that it names, if that is new.
func (c *coder) change(n int) bool {
	d, ok := c.number()
	c.last[n] += d
	known := int64(len(c.texts))
	if n < inVantage || !ok || c.last[n] != known {
		return ok && (n < inVantage || c.last[n] >= 0 && c.last[n] < known)
	}
	size, ok := c.number()
	if !ok || size < 0 || size > int64(len(c.b)) {
		return false
	}
	c.texts, c.b = append(c.texts, string(c.b[:size])), c.b[size:]
	return true
}

func (c *coder) number() (int64, bool) {
	if len(c.b) > 0 && c.b[0] < 0x80 { // most
		b := c.b[0]
		c.b = c.b[1:]
		return int64(b>>1) ^ -int64(b&1), true
	}
	v, n := binary.Varint(c.b)
	c.b = c.b[max(n, 0):]
	return v, n > 0
}

// convert rounds p to the numbers k that chunks keep, or makes p of them.
func (c *coder) convert(p *Point, k *packed, pack bool) {
	s := &p.Sample
	if pack {
		k[inTime] = p.Time.UnixMilli()
		if p.Frozen {
			k[inFrozen] = 1
		}
	} else {
		p.Time, p.Frozen = time.UnixMilli(k[inTime]).UTC(), k[inFrozen] != 0
	}
	whole(&k[inOutcome], &s.Outcome, pack)
	whole(&k[inLeap], &s.Leap, pack)
	whole(&k[inStratum], &s.Stratum, pack)
	whole(&k[inRefID], &s.RefID, pack)
	whole(&k[inSent], &s.Sent, pack)
	whole(&k[inLost], &s.Lost, pack)
	value(&k[inScore], &p.Score, 0, pack)
	value(&k[inStep], &p.Step, 0, pack)
	elapsed(&k[inOffset], &s.Offset, 0, pack)
	elapsed(&k[inRTT], &s.RTT, 0, pack)
	elapsed(&k[inSlack], &s.RootDistance, k[inRTT]/2, pack)
	for i, text := range [...]*string{&s.Vantage, &s.Kiss, &s.Invalid, &s.Err} {
		c.text(&k[inVantage+i], text, pack)
	}
	if pack && p.For == 0 {
		return
	}
	if whole(&k[inChecks], &p.Checks, pack); k[inChecks] == 0 {
		p.sumUpOne()
		return
	}
	p.For = RollFor
	whole(&k[inSilent], &p.Silent, pack)
	whole(&k[inWrong], &p.Wrong, pack)
	for i, end := range [...]*Extremes{&p.Low, &p.High} {
		at := inLow + i*(inHigh-inLow)
		elapsed(&k[at], &end.Offset, k[inOffset], pack)
		elapsed(&k[at+1], &end.RTT, k[inRTT], pack)
		value(&k[at+2], &end.Score, k[inScore], pack)
	}
}

// whole, elapsed and value convert a number, of which k is what it is more than
// base.
func whole[T ~int | ~uint8 | ~uint32](k *int64, v *T, pack bool) {
	if pack {
		*k = int64(*v)
	} else {
		*v = T(*k)
	}
}

func elapsed(k *int64, d *time.Duration, base int64, pack bool) {
	if pack {
		*k = int64(d.Round(chunkUnit)/chunkUnit) - base
	} else {
		*d = time.Duration(*k+base) * chunkUnit
	}
}

func value(k *int64, f *float64, base int64, pack bool) {
	if pack {
		*k = int64(math.Round(*f*chunkScore)) - base
	} else {
		*f = float64(*k+base) / chunkScore
	}
}

// text converts a text, of which k is the place.
func (c *coder) text(k *int64, s *string, pack bool) {
	if !pack {
		*s = c.texts[*k]
		return
	}
	text := (*s)[:min(len(*s), textMax)]
	i := slices.Index(c.texts, text)
	if i < 0 {
		i = len(c.texts)
		c.texts = append(c.texts, text)
	}
	*k = int64(i)
}
