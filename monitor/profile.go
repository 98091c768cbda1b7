package monitor

import (
	"math"
	"time"
)

// Profile is how strictly answers are judged, as numbers: nothing in it is
// code, so that another set of bands is another value. Steps are what one check
// adds to a score; a steady step s settles at s/(1−Keep).
type Profile struct {
	Name string
	Keep float64 // part of the old score that stays, 0 … 1

	Silent  float64 // step for no answer
	Rate    float64 // step for kiss code RATE
	Deny    float64 // step for kiss codes DENY and RSTR
	DenyCap float64 // and what the score is at most after one
	Unsound float64 // step for an answer whose offset is not worth looking at

	MaxStratum      uint8         // above it an answer is unsound
	MaxRootDistance time.Duration // above it an answer is unsound

	Bands  []Band  // by |offset|, nearest first
	Beyond float64 // step beyond the last band
	FarCap float64 // what the score is at most beyond the last band, whatever else is wrong
}

// Band is the step for offsets up to a limit: min(1, At0 − Slope·|offset|).
type Band struct {
	UpTo  time.Duration // inclusive
	At0   float64       // where the line meets offset 0
	Slope float64       // step lost per second of offset
}

// NTPPool returns the numbers of the NTP Pool's scorer (bands of July 2025)
// with the checks it leaves out: leap, root distance, freshness and order of
// times.
func NTPPool() Profile {
	return Profile{
		Name:            "ntppool",
		Keep:            0.95,
		Silent:          -5,
		Rate:            -3.5,
		Deny:            -10,
		DenyCap:         -50,
		Unsound:         -4,
		MaxStratum:      7,
		MaxRootDistance: 1500 * time.Millisecond,
		Bands: []Band{
			{UpTo: 25 * time.Millisecond, At0: 1},
			{UpTo: 100 * time.Millisecond, At0: 1.167, Slope: 6.667},
			{UpTo: 750 * time.Millisecond, At0: 0.731, Slope: 2.308},
			{UpTo: 3 * time.Second, At0: -2},
		},
		Beyond: -4,
		FarCap: -20,
	}
}

// far reports whether an offset lies beyond the last band.
func (p Profile) far(offset time.Duration) bool {
	return len(p.Bands) == 0 || offset.Abs() > p.Bands[len(p.Bands)-1].UpTo
}

// band returns the step for an offset and the cap that comes with it.
func (p Profile) band(offset time.Duration) (step, limit float64) {
	offset = offset.Abs()
	for _, b := range p.Bands {
		if offset <= b.UpTo {
			return min(1, b.At0-b.Slope*offset.Seconds()), math.Inf(1)
		}
	}
	return p.Beyond, p.FarCap
}
