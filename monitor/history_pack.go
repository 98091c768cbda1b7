package monitor

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// The units of what chunks keep, beside a millisecond for times of day.
const (
	chunkUnit  = 100 * time.Nanosecond // of durations
	chunkScore = 1000                  // a score of 1
	textMax    = 60                    // bounds what is kept of a text
)

// packed is a Point in whole numbers of the units that chunks keep.
type packed [numbers]int64

// Where the numbers of a packed point are.
const (
	inTime  = iota // since 1970
	inState        // outcome, leap, frozen
	inStratum
	inRefID
	inSent
	inLost
	inScore
	inStep
	inOffset
	inRTT
	inSlack  // the root distance without the round trip
	inChecks // of a rolled point, as all up to inVantage; 0: one check
	inSilent
	inWrong
	inBelow              // by how much Low differs from offset, RTT and score …
	inAbove   = iota + 2 // … and High
	inVantage = iota + 4 // from here on places of texts
	inKiss
	inInvalid
	inErr
	numbers
)

// pack rounds p to what chunks keep.
func (c *coder) pack(p *Point) packed {
	unit := func(d time.Duration) int64 { return int64(d.Round(chunkUnit) / chunkUnit) }
	score := func(v float64) int64 { return int64(math.Round(v * chunkScore)) }
	k := packed{
		inTime: p.Time.UnixMilli(), inState: int64(p.Outcome)&3 | int64(p.Leap)&3<<2, inStratum: int64(p.Stratum), inRefID: int64(p.RefID),
		inSent: int64(p.Sent), inLost: int64(p.Lost), inScore: score(p.Score), inStep: score(p.Step),
		inOffset: unit(p.Offset), inRTT: unit(p.RTT), inSlack: unit(p.RootDistance) - unit(p.RTT)/2,
	}
	if p.Frozen {
		k[inState] |= 1 << 4
	}
	for i, s := range [...]string{p.Vantage, p.Kiss, p.Invalid, p.Err} {
		if i > 0 {
			s = s[:min(len(s), textMax)]
		}
		place := slices.Index(c.texts, s)
		if place < 0 {
			place = len(c.texts)
			c.texts = append(c.texts, s)
		}
		k[inVantage+i] = int64(place)
	}
	if p.For == 0 {
		return k
	}
	k[inChecks], k[inSilent], k[inWrong] = int64(p.Checks), int64(p.Silent), int64(p.Wrong)
	low, high := [3]int64{unit(p.Low.Offset), unit(p.Low.RTT), score(p.Low.Score)}, [3]int64{unit(p.High.Offset), unit(p.High.RTT), score(p.High.Score)}
	for i, in := range [3]int{inOffset, inRTT, inScore} {
		k[inBelow+i], k[inAbove+i] = k[in]-low[i], high[i]-k[in]
	}
	return k
}

// unpack makes p what pack rounded to the last point.
func (c *coder) unpack(p *Point, addr netip.Addr) {
	k := &c.last
	unit := func(v int64) time.Duration { return time.Duration(v) * chunkUnit }
	score := func(v int64) float64 { return float64(v) / chunkScore }
	s := &p.Sample
	s.Time, s.Addr, s.Outcome, s.Leap = time.UnixMilli(k[inTime]).UTC(), addr, Outcome(k[inState]&3), uint8(k[inState]>>2&3)
	s.Vantage, s.Kiss, s.Invalid, s.Err = c.texts[k[inVantage]], c.texts[k[inKiss]], c.texts[k[inInvalid]], c.texts[k[inErr]]
	s.Offset, s.RTT, s.RootDistance = unit(k[inOffset]), unit(k[inRTT]), unit(k[inSlack]+k[inRTT]/2)
	s.Stratum, s.RefID, s.Sent, s.Lost = uint8(k[inStratum]), uint32(k[inRefID]), int(k[inSent]), int(k[inLost])
	p.Score, p.Step, p.Frozen = score(k[inScore]), score(k[inStep]), k[inState]&(1<<4) != 0
	if k[inChecks] == 0 {
		p.sumUpOne()
		return
	}
	p.For, p.Checks, p.Silent, p.Wrong = RollFor, int(k[inChecks]), int(k[inSilent]), int(k[inWrong])
	p.Low = Extremes{unit(k[inOffset] - k[inBelow]), unit(k[inRTT] - k[inBelow+1]), score(k[inScore] - k[inBelow+2])}
	p.High = Extremes{unit(k[inOffset] + k[inAbove]), unit(k[inRTT] + k[inAbove+1]), score(k[inScore] + k[inAbove+2])}
}
