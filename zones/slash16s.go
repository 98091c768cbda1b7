package zones

import (
	"math/bits"
	"slices"
)

// slash16s is the runs of ranges for IPv4, laid out for lookups: by each /16, as
// nearly all networks of a GeoIP file are longer than that or are made of whole ones.
// What is not found in the index, which stays in the cache, is in one line of it.
type slash16s struct {
	// Of a /16 that lies in one run: whole, the scope, and in the last 16 bits the
	// value. Of another: how many strides of its lines there are, and in the last 24
	// bits its first line. (More lines than that come of a file of gigabytes.)
	index [1 << 16]uint32
	lines []line
	lasts []uint16 // the last end in each line

	// While it is made:
	begin uint32 // of the next run
	start int    // the first line of its /16
	parts int    // runs of that /16 so far
}

// line holds neighbouring runs of one /16, by the last 16 bits of their addresses:
// run i ends at ends[i+1] and starts after ends[i]. It is as long as a cache line.
type line struct {
	ends   [perLine + 1]uint16 // ends[0] is the end before in the same /16, or ^0
	values [perLine]uint16
	_      uint16
}

const (
	perLine    = 15
	whole      = 1 << 31
	stride     = 32  // lines that a lookup can pass at once
	mostStride = 127 // and how often
)

// push appends a run from the end of the last one to end. The one that ends with the
// last address of all completes it.
func (s *slash16s) push(end uint32, v uint16) {
	begin := s.begin
	for at := uint64(begin); at <= uint64(end); at = (at | 0xffff) + 1 {
		first, last := uint32(at), min(uint32(at)|0xffff, end)
		if last-first != 0xffff {
			s.part(first, last, v)
			continue
		}
		scope := 0
		if begin != 0 || end != ^uint32(0) {
			scope = 33 - bits.Len32(min(first^(begin-1), first^(end+1)))
		}
		s.index[first>>16] = whole | uint32(scope)<<16 | uint32(v)
	}
	if s.begin = end + 1; s.begin == 0 { // what appending left over is not kept
		s.lines, s.lasts = slices.Clone(s.lines), slices.Clone(s.lasts)
	}
}

// part appends a run that is a part of one /16.
func (s *slash16s) part(first, last uint32, v uint16) {
	if uint16(first) == 0 {
		s.start, s.parts = len(s.lines), 0
	}
	i := s.parts % perLine
	if i == 0 {
		l := line{}
		for j := range l.ends {
			l.ends[j] = ^uint16(0)
		}
		l.ends[0] = uint16(first - 1)
		s.lines, s.lasts = append(s.lines, l), append(s.lasts, 0)
	}
	n := len(s.lines) - 1
	l := &s.lines[n]
	l.ends[i+1], l.values[i] = uint16(last), v
	s.lasts[n] = l.ends[perLine]
	if s.parts++; uint16(last) == ^uint16(0) {
		s.index[first>>16] = uint32(min(mostStride, (n+1-s.start)/stride)<<24 | s.start)
	}
}

// find returns what ranges.find does.
func (s *slash16s) find(a uint32) (v uint16, scope int) {
	at := s.index[a>>16]
	if at&whole != 0 {
		return uint16(at), int(at>>16) & 31
	}
	k := uint16(a)
	strides, i := at>>24, at&(1<<24-1)
	for ; strides > 0 && s.lasts[i+stride-1] < k; strides-- {
		i += stride
	}
	for s.lasts[i] < k {
		i++
	}
	l := &s.lines[i]
	// Counts instead of branching: nobody could predict the branches.
	n := 4 * (before16(l.ends[4], k) + before16(l.ends[8], k) + before16(l.ends[12], k))
	n += before16(l.ends[n+1], k) + before16(l.ends[n+2], k) + before16(l.ends[n+3], k)
	// The address before the first of the /16 and the one after its last wrap around
	// to one that shares no more than the other neighbour does.
	near := min(k^l.ends[n], k^(l.ends[n+1]+1))
	return l.values[n], 33 - bits.Len16(near)
}

// before16 is 1 if end < k, else 0.
func before16(end, k uint16) uint32 { return (uint32(end) - uint32(k)) >> 31 }
