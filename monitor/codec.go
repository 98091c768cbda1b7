package monitor

import (
	"encoding/binary"
	"slices"
)

// tape passes values to or from octets, so that writing and reading are one
// code. After the first fault of reading all that it passes is zero.
type tape struct {
	b       []byte
	writing bool
	bad     bool
}

func (t *tape) octet(v *byte) {
	switch {
	case t.writing:
		t.b = append(t.b, *v)
	case len(t.b) == 0:
		*v, t.bad = 0, true
	default:
		*v, t.b = t.b[0], t.b[1:]
	}
}

func (t *tape) number(v *int64) {
	if t.writing {
		t.b = binary.AppendVarint(t.b, *v)
		return
	}
	if len(t.b) > 0 && t.b[0] < 0x80 { // most
		*v, t.b = int64(t.b[0]>>1)^-int64(t.b[0]&1), t.b[1:]
		return
	}
	n := 0
	if *v, n = binary.Varint(t.b); n <= 0 {
		t.b, t.bad, *v = nil, true, 0
		return
	}
	t.b = t.b[n:]
}

// change passes v as its difference from was, and makes it that.
func (t *tape) change(was, v *int64) {
	d := *v - *was
	t.number(&d)
	*v = *was + d
	*was = *v
}

// coder is what both ends of a tape know: the point before.
type coder struct {
	tape
	rolled bool
	last   packed   // where reading, also the point that was read
	flags  byte     // of the last point
	times  [3]int64 // offset, rtt, slack of the last point that has them
	texts  []string // those that came up, to be named by their place
}

// The flags tell which parts a point has; what is left out is as before.
const (
	hasState = 1 << iota
	hasSource
	hasCounts
	hasScore
	hasVantage
	hasTexts
	hasTimes // else all three are 0
	flagsEnd
)

// flagsAfter are those of p after last.
func (p *packed) flagsAfter(last *packed) (f byte) {
	for i, has := range [...]bool{
		p.state != last.state, p.stratum != last.stratum || p.refid != last.refid, p.sent != last.sent || p.lost != last.lost,
		p.step != last.step || p.score != last.expected(), p.vantage != last.vantage, p.texts != [3]string{},
		p.offset != 0 || p.rtt != 0 || p.slack != 0,
	} {
		if has {
			f |= 1 << i
		}
	}
	return f
}

// expected is the score after p if one more check adds the same step.
func (p *packed) expected() int64 { return min((p.score*95+50)/100+p.step, BestScore*chunkScore) }

// write appends p to the tape.
func (c *coder) write(p packed) {
	c.writing = true
	c.pass(&p)
	c.last = p
}

// read makes the next point of the tape the last one.
func (c *coder) read() *packed {
	c.pass(&c.last)
	return &c.last
}

// pass passes p, which where reading is the last point in place: what the flags
// leave out stays as it was.
func (c *coder) pass(p *packed) {
	last, expected := &c.last, c.last.expected()
	had := c.flags
	if c.writing {
		c.flags = p.flagsAfter(last)
		p.gap = p.time - last.time
	}
	c.octet(&c.flags)
	c.bad = c.bad || c.flags >= flagsEnd
	c.change(&last.gap, &p.gap)
	p.time = last.time + p.gap
	if c.flags&hasState != 0 {
		c.octet(&p.state)
	}
	if c.flags&hasSource != 0 {
		id := int64(p.refid)
		c.octet(&p.stratum)
		c.number(&id)
		p.refid = uint32(id)
	}
	if c.flags&hasCounts != 0 {
		c.number(&p.sent)
		c.number(&p.lost)
	}
	if c.flags&hasScore != 0 {
		c.change(&expected, &p.score)
		c.change(&last.step, &p.step)
	}
	p.score = expected
	if c.flags&hasVantage != 0 {
		c.text(&p.vantage)
	}
	if c.flags&hasTexts != 0 {
		for i := range p.texts {
			c.text(&p.texts[i])
		}
	} else if had&hasTexts != 0 {
		p.texts = [3]string{}
	}
	if c.flags&hasTimes != 0 {
		c.change(&c.times[0], &p.offset)
		c.change(&c.times[1], &p.rtt)
		c.change(&c.times[2], &p.slack)
	} else {
		p.offset, p.rtt, p.slack = 0, 0, 0
	}
	if c.rolled {
		c.number(&p.checks)
		c.number(&p.silent)
		for i := range p.below {
			c.number(&p.below[i])
			c.number(&p.above[i])
		}
	}
}

// text passes s as its place among those that came up, or as new.
func (c *coder) text(s *string) {
	place := int64(slices.Index(c.texts, *s))
	c.number(&place)
	if place >= 0 && place < int64(len(c.texts)) {
		*s = c.texts[place]
		return
	}
	n := int64(len(*s))
	c.number(&n)
	switch {
	case c.writing:
		c.b = append(c.b, *s...)
	case place != -1 || n < 0 || n > int64(len(c.b)):
		*s, c.b, c.bad = "", nil, true
		return
	default:
		*s, c.b = string(c.b[:n]), c.b[n:]
	}
	c.texts = append(c.texts, *s)
}
