package monitor

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"slices"
)

// A chunk holds Points of one address one after the other, each as what it
// differs in from what the one before leads to:
//
//	crc32c(4) of what follows, points
//	point: flags time [parts that the flags name]
//
// Numbers are varints of the difference; a part (see parts) that does not differ
// at all is left out. A point leads to one as long after it as it was after the
// one before, with the same step and the score that results, and the rest as it
// was. A check of a well member comes to about nine octets.

var (
	errChunk   = errors.New("a chunk is damaged")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// parts are the numbers of a packed point that come together or not at all.
var parts = [...][2]int{{inState, inScore}, {inScore, inOffset}, {inOffset, inChecks}, {inChecks, inVantage}, {inVantage, inKiss}, {inKiss, numbers}}

// appendChunk returns the chunk with the points after those that it holds; nil
// is an empty one. The points' address is not kept.
func appendChunk(chunk []byte, points []Point) ([]byte, error) {
	c := coder{texts: []string{""}}
	if chunk != nil {
		if err := c.open(chunk); err != nil {
			return nil, err
		}
		for len(c.b) > 0 {
			if !c.read() {
				return nil, errChunk
			}
		}
	}
	c.b = append(make([]byte, 4, len(chunk)+4+16*len(points)), chunk[min(4, len(chunk)):]...)
	for i := range points {
		c.write(&points[i])
	}
	binary.BigEndian.PutUint32(c.b, crc32.Checksum(c.b[4:], castagnoli))
	return c.b, nil
}

// readChunk appends the chunk's points, which are of addr.
func readChunk(points []Point, addr netip.Addr, chunk []byte) ([]Point, error) {
	c := coder{texts: []string{""}}
	if err := c.open(chunk); err != nil {
		return points, err
	}
	points = slices.Grow(points, len(chunk)/8)
	for len(c.b) > 0 {
		if !c.read() {
			return points, errChunk
		}
		points = append(points, Point{})
		c.unpack(&points[len(points)-1], addr)
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

// open makes c read the chunk's points.
func (c *coder) open(chunk []byte) error {
	if len(chunk) < 4 || binary.BigEndian.Uint32(chunk) != crc32.Checksum(chunk[4:], castagnoli) {
		return errChunk
	}
	c.b = chunk[4:]
	return nil
}

// expect makes of the last point what it leads to.
func (c *coder) expect() {
	c.last[inTime] += c.gap
	c.last[inScore] = min((c.last[inScore]*95+50)/100+c.last[inStep], BestScore*chunkScore)
}

// write appends p.
func (c *coder) write(p *Point) {
	known := int64(len(c.texts))
	k := c.pack(p)
	gap := k[inTime] - c.last[inTime]
	c.expect()
	at := len(c.b)
	c.b = binary.AppendVarint(append(c.b, 0), k[inTime]-c.last[inTime])
	for i, part := range parts {
		if slices.Equal(k[part[0]:part[1]], c.last[part[0]:part[1]]) {
			continue
		}
		c.b[at] |= 1 << i
		for n := part[0]; n < part[1]; n++ {
			c.b = binary.AppendVarint(c.b, k[n]-c.last[n])
			if n >= inVantage && k[n] == known {
				text := c.texts[known]
				c.b = append(binary.AppendVarint(c.b, int64(len(text))), text...)
				known++
			}
		}
	}
	c.last, c.gap = k, gap
}

// read makes the next point of the chunk the last one, and reports whether it
// makes sense.
func (c *coder) read() bool {
	was := c.last[inTime]
	c.expect()
	flags := c.b[0]
	c.b = c.b[1:]
	ok := flags < 1<<len(parts) && c.change(inTime)
	for i, part := range parts {
		if flags>>i&1 != 0 {
			for n := part[0]; n < part[1]; n++ {
				ok = ok && c.change(n)
			}
		}
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
