package zones

import "math/bits"

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

// newSlash16s lays out IPv4 from sealed ranges, in which it is the first 32 bits.
func newSlash16s(r *ranges) *slash16s {
	s := &slash16s{}
	run := 0
	for head := range s.index {
		first := uint64(head) << 48
		last := first | allOnes>>16
		if end, _ := r.end(run); end >= last {
			v, scope := r.find(first, 0)
			s.index[head] = whole | uint32(scope)<<16 | uint32(v)
			if end == last {
				run++
			}
			continue
		}
		run = s.addLines(r, run, head, last)
	}
	return s
}

// addLines lays out the /16 that begins in a run and ends with last, and returns
// the run after it.
func (s *slash16s) addLines(r *ranges, run, head int, last uint64) (next int) {
	start, before := len(s.lines), ^uint16(0)
	for ended := false; !ended; {
		l := line{}
		l.ends[0] = before
		for i := range perLine {
			end, _ := r.end(run)
			l.ends[i+1], l.values[i] = uint16(min(end, last)>>32), r.at(run)
			if ended = end >= last; ended {
				for j := i + 2; j <= perLine; j++ {
					l.ends[j] = ^uint16(0)
				}
				if end == last {
					run++
				}
				break
			}
			run++
		}
		before = l.ends[perLine]
		s.lines, s.lasts = append(s.lines, l), append(s.lasts, before)
	}
	s.index[head] = uint32(min(mostStride, (len(s.lines)-start)/stride)<<24 | start)
	return run
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
