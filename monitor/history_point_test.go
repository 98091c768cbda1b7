package monitor

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestRollSumsUp(t *testing.T) {
	start := testEpoch.Truncate(RollFor)
	at := func(minutes int, s Sample, score, step float64, vantage string) Point {
		s.Time, s.Vantage = start.Add(time.Duration(minutes)*time.Minute), vantage
		return pointOf(&Row{Sample: s, Score: score, Step: step})
	}
	slow := off(4 * time.Millisecond)
	slow.RTT, slow.Stratum, slow.Lost = 3*time.Millisecond, 5, 1
	old := Point{Score: 7, For: RollFor, Checks: 9}
	got := roll([]Point{old,
		at(1, off(2*time.Millisecond), 10, 1, "fra"), at(2, slow, 11, 1, "fra"), at(3, off(-time.Millisecond), 3, 1, "tyo"),
		at(9, mute(), 6, -5, "fra"), at(10, mute(), 1, -5, "fra"), at(10, kiss("RATE"), 0, -3.5, "tyo")})
	if len(got) != 5 || got[0] != old {
		t.Fatalf("%d points: %+v", len(got), got)
	}
	fra := got[1]
	if fra.Checks != 3 || fra.Silent != 1 || fra.Sent != 9 || fra.Lost != 4 || fra.For != RollFor || !fra.Time.Equal(start) || fra.Vantage != "fra" {
		t.Errorf("%+v", fra)
	}
	if fra.Offset != 3*time.Millisecond || fra.RTT != 2*time.Millisecond || fra.Score != 9 || math.Abs(fra.Step+1) > 1e-9 {
		t.Errorf("means: %+v", fra)
	}
	if fra.Low != (Extremes{2 * time.Millisecond, time.Millisecond, 6}) || fra.High != (Extremes{4 * time.Millisecond, 3 * time.Millisecond, 11}) {
		t.Errorf("from %+v to %+v", fra.Low, fra.High)
	}
	if fra.Outcome != Answered || fra.Stratum != 5 {
		t.Errorf("the last that told the time: %+v", fra.Sample)
	}
	if got[2].Vantage != "tyo" || got[2].Checks != 1 || !got[3].Time.Equal(start.Add(RollFor)) || got[3].Outcome != Silent || got[3].Low.RTT != 0 || got[4].Kiss != "RATE" || got[4].Timed() {
		t.Errorf("%+v", got[2:])
	}
}

// An answer on the same host may come too fast to be measured, and a clock that
// is generations off is off on average as well.
func TestTimed(t *testing.T) {
	for name, c := range map[string]struct {
		s    Sample
		want bool
	}{
		"an answer":           {good(), true},
		"at once":             {Sample{Offset: -3, Stratum: 1}, true},
		"at once and right":   {Sample{Stratum: 1}, true},
		"set long ago":        {Sample{RTT: 5, Invalid: "clock last set 30 hours ago"}, true},
		"without times":       {Sample{Invalid: "no transmit time"}, false},
		"a kiss code":         {kiss("RATE"), false},
		"silence":             {mute(), false},
		"none could be asked": {unmeasured(), false},
	} {
		if got := c.s.Timed(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		var sum Sum
		for range 9 {
			p := pointOf(&Row{Sample: c.s})
			sum.Add(&p)
		}
		if p := sum.Point(); p.Timed() != c.want || p.Offset != c.s.Offset {
			t.Errorf("nine of them: %+v", p)
		}
	}
	far := off(-60 * 365 * dayLength)
	if got := roll(slices.Repeat([]Point{pointOf(&Row{Sample: far})}, 6)); len(got) != 1 || got[0].Offset != far.Offset || got[0].Wrong != 6 {
		t.Errorf("%+v", got)
	}
}

func TestRange(t *testing.T) {
	h := openHistory(t, filepath.Join(t.TempDir(), "timepool.db"), HistoryOptions{})
	for n := range 1300 {
		h.Put(tick(1, n))
	}
	if err := h.flush(); err != nil {
		t.Fatal(err)
	}
	first := tick(1, 0).Time
	raw := 0
	for p, err := range h.Range(addr(1), first.Add(time.Second), first.Add(1201*time.Second)) {
		if err != nil || p.For != 0 || p.Checks != 1 || p.Low.Score != p.Score {
			t.Fatalf("%+v %v", p, err)
		}
		raw++
	}
	for p := range h.Range(addr(1), time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) {
		if raw--; p.Checks != 1 {
			t.Fatalf("%+v", p)
		}
	}
	if raw += 1300; raw != 1200 {
		t.Errorf("%d points", raw)
	}
}
