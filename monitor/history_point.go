package monitor

import (
	"math"
	"slices"
	"time"
)

// RollFor is how much time a rolled Point sums up.
const RollFor = 10 * time.Minute

// Point is one check of an address, or what some time of checks came to (Sum),
// where the checks themselves are no longer kept ten minutes.
type Point struct {
	Sample
	Score, Step float64       // after the check, and what it added
	Frozen      bool          // while scores were
	For         time.Duration // 0: one check; else how much time is summed up
	Checks      int           // 1, or how many were summed up
	Silent      int           // of those, not answered
	Wrong       int           // of those, answered and not good, while scores were not frozen
	Low, High   Extremes
}

// Extremes are the least or the most of what a Point sums up. Of one check
// both are its own.
type Extremes struct {
	Offset, RTT time.Duration
	Score       float64
}

// Timed reports whether the check told the time, so that Offset and RTT mean
// something: there was an answer, no kiss code, and what may have been wrong
// with it was not that its times made none. An RTT of 0 is one too fast to be
// measured.
func (s *Sample) Timed() bool {
	return s.Outcome == Answered && s.Kiss == "" && (s.Invalid == "" || s.RTT > 0 || s.Offset != 0)
}

// pointOf is the last check of a Row as a Point.
func pointOf(r *Row) Point {
	p := Point{Sample: r.Sample, Score: r.Score, Step: r.Step, Frozen: r.Frozen}
	p.sumUpOne()
	return p
}

// sumUpOne fills in what follows from the rest for every single check.
func (p *Point) sumUpOne() {
	p.Checks = 1
	if p.Outcome == Silent {
		p.Silent = 1
	}
	if p.Outcome == Answered && !p.Frozen && p.Step < GoodStep {
		p.Wrong = 1
	}
	p.Low = Extremes{p.Offset, p.RTT, p.Score}
	p.High = p.Low
}

// roll sums points up, those of a vantage in ten minutes to one, which may be
// rolled already. They must be in order of time.
func roll(points []Point) (rolled []Point) {
	var open []Sum // of these ten minutes, one a vantage
	var start time.Time
	flush := func() {
		for i := range open {
			p := open[i].Point()
			p.Time, p.For = start, RollFor
			rolled = append(rolled, p)
		}
		open = open[:0]
	}
	for i := range points {
		p := &points[i]
		if p.Outcome == Unmeasured {
			continue
		}
		if at := p.Time.Truncate(RollFor); !at.Equal(start) {
			flush()
			start = at
		}
		k := slices.IndexFunc(open, func(u Sum) bool { return u.p.Vantage == p.Vantage })
		if k < 0 {
			k, open = len(open), append(open, Sum{})
		}
		open[k].Add(p)
	}
	flush()
	return rolled
}

// Sum makes one Point of many of an address. They come in order of time, and
// without checks that could not be made, which say nothing of the member.
type Sum struct {
	p                     Point
	timed                 float64 // checks that told the time
	offset, rtt, distance float64 // of them, in nanoseconds: the sum of two may not fit a Duration
	score, step           float64
}

// Add adds p, a check or what some came to.
func (u *Sum) Add(p *Point) {
	q, timed := &u.p, p.Timed()
	start, sent, lost := q.Time, q.Sent, q.Lost
	if timed || u.timed == 0 {
		q.Sample = p.Sample
	}
	if q.Checks == 0 {
		start, q.Low.Score, q.High.Score = p.Time, p.Low.Score, p.High.Score
	}
	q.Time, q.Sent, q.Lost, q.Frozen = start, sent+p.Sent, lost+p.Lost, q.Frozen || p.Frozen
	q.Checks, q.Silent, q.Wrong = q.Checks+p.Checks, q.Silent+p.Silent, q.Wrong+p.Wrong
	q.Low.Score, q.High.Score = min(q.Low.Score, p.Low.Score), max(q.High.Score, p.High.Score)
	u.score, u.step = u.score+p.Score*float64(p.Checks), u.step+p.Step*float64(p.Checks)
	if !timed {
		return
	}
	if u.timed == 0 {
		q.Low.Offset, q.High.Offset, q.Low.RTT, q.High.RTT = p.Low.Offset, p.High.Offset, p.Low.RTT, p.High.RTT
	}
	q.Low.Offset, q.High.Offset = min(q.Low.Offset, p.Low.Offset), max(q.High.Offset, p.High.Offset)
	q.Low.RTT, q.High.RTT = min(q.Low.RTT, p.Low.RTT), max(q.High.RTT, p.High.RTT)
	n := float64(p.Checks - p.Silent)
	u.timed += n
	u.offset, u.rtt, u.distance = u.offset+n*float64(p.Offset), u.rtt+n*float64(p.RTT), u.distance+n*float64(p.RootDistance)
}

// Point is what they came to. Time is the first one's; Sent, Lost, Checks, Silent
// and Wrong are sums; Offset, RTT and RootDistance are means over the checks
// that told the time, Score and Step means over all; Frozen is whether any was.
// The rest is the last check's that told the time, or else the last check's.
func (u *Sum) Point() Point {
	p, n := u.p, max(u.timed, 1)
	p.Offset, p.RTT, p.RootDistance = time.Duration(math.Round(u.offset/n)), time.Duration(math.Round(u.rtt/n)), time.Duration(math.Round(u.distance/n))
	p.Score, p.Step = u.score/float64(max(p.Checks, 1)), u.step/float64(max(p.Checks, 1))
	return p
}
