package monitor

import (
	"iter"
	"time"
)

// Scored is one Sample with what it did to the score.
type Scored struct {
	Sample
	Score, Step float64
	Frozen      bool
}

// RollFor is how much time a rolled Point sums up.
const RollFor = 10 * time.Minute

// Point is one check of an address, or what ten minutes of checks came to.
//
// Of a rolled Point, Time is when the ten minutes begin (a multiple of RollFor
// since 1970, UTC); Offset, RTT and RootDistance are means over the checks that
// told the time, Score and Step means over all; Sent and Lost are sums; the
// rest is the last check's that told the time, or else the last check's, but
// without its texts.
type Point struct {
	Scored
	For       time.Duration // 0: one check; else RollFor
	Checks    int           // 1, or how many were summed up
	Silent    int           // of those, not answered
	Low, High Extremes
}

// Extremes are the least or the most of what a Point sums up. Of one check
// both are its own.
type Extremes struct {
	Offset, RTT time.Duration
	Score       float64
}

// Timed reports whether the check told the time: Offset and RTT mean something.
func (s *Sample) Timed() bool { return s.Outcome == Answered && s.Kiss == "" && s.RTT > 0 }

// pointOf is one check as a Point.
func pointOf(s Scored) Point {
	p := Point{Scored: s}
	p.sumUpOne()
	return p
}

// sumUpOne fills in what is the same for every single check.
func (p *Point) sumUpOne() {
	p.Checks = 1
	if p.Outcome == Silent {
		p.Silent = 1
	}
	p.Low = Extremes{p.Offset, p.RTT, p.Score}
	p.High = p.Low
}

// roll sums points up, those of a vantage in ten minutes to one. They must be
// in order of time.
func roll(points iter.Seq2[Point, error]) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		var open []sum // of these ten minutes, one a vantage
		flush := func() bool {
			for i := range open {
				if !yield(open[i].point(), nil) {
					return false
				}
			}
			open = open[:0]
			return true
		}
		for p, err := range points {
			if err != nil {
				yield(Point{}, err)
				return
			}
			if p.For != 0 {
				if !flush() || !yield(p, nil) {
					return
				}
				continue
			}
			start := p.Time.Truncate(RollFor)
			if len(open) > 0 && !open[0].Time.Equal(start) && !flush() {
				return
			}
			i := 0
			for i < len(open) && open[i].Vantage != p.Vantage {
				i++
			}
			if i == len(open) {
				open = append(open, sum{Point: Point{Scored: Scored{Sample: Sample{Time: start}}}})
			}
			open[i].add(p)
		}
		flush()
	}
}

// sum is a rolled Point in the making.
type sum struct {
	Point
	timed                 int // checks that told the time
	offset, rtt, distance time.Duration
	score, step           float64
}

func (u *sum) add(p Point) {
	start, sent, lost := u.Time, u.Sent, u.Lost
	if p.Timed() || u.timed == 0 {
		u.Sample = p.Sample
	}
	u.Time, u.Sent, u.Lost = start, sent+p.Sent, lost+p.Lost
	u.Frozen = p.Frozen
	if p.Timed() {
		if u.timed == 0 {
			u.Low.Offset, u.High.Offset, u.Low.RTT, u.High.RTT = p.Offset, p.Offset, p.RTT, p.RTT
		}
		u.timed++
		u.offset, u.rtt, u.distance = u.offset+p.Offset, u.rtt+p.RTT, u.distance+p.RootDistance
		u.Low.Offset, u.High.Offset = min(u.Low.Offset, p.Offset), max(u.High.Offset, p.Offset)
		u.Low.RTT, u.High.RTT = min(u.Low.RTT, p.RTT), max(u.High.RTT, p.RTT)
	}
	if u.Checks == 0 {
		u.Low.Score, u.High.Score = p.Score, p.Score
	}
	u.Low.Score, u.High.Score = min(u.Low.Score, p.Score), max(u.High.Score, p.Score)
	u.score, u.step = u.score+p.Score, u.step+p.Step
	u.Checks++
	u.Silent += p.Silent
}

func (u *sum) point() Point {
	p := u.Point
	n := time.Duration(max(u.timed, 1))
	p.Offset, p.RTT, p.RootDistance = u.offset/n, u.rtt/n, u.distance/n
	p.Score, p.Step = u.score/float64(u.Checks), u.step/float64(u.Checks)
	p.For, p.Kiss, p.Invalid, p.Err = RollFor, "", "", ""
	return p
}
