package monitor

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

var (
	testAddr  = netip.MustParseAddr("192.0.2.1")
	testEpoch = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
)

// good, off, mute and unmeasured are checks as the Prober hands them over.
func good() Sample { return off(200 * time.Microsecond) }

func off(offset time.Duration) Sample {
	return Sample{Addr: testAddr, Time: testEpoch, Offset: offset, RTT: time.Millisecond, RootDistance: 2 * time.Millisecond, Stratum: 2, Sent: 3}
}

func kiss(code string) Sample {
	return Sample{Addr: testAddr, Time: testEpoch, Kiss: code, Sent: 1}
}

func mute() Sample {
	return Sample{Addr: testAddr, Time: testEpoch, Outcome: Silent, Sent: 3, Lost: 3}
}

func unmeasured() Sample {
	return Sample{Addr: testAddr, Time: testEpoch, Outcome: Unmeasured, Err: "network is unreachable"}
}

// follow moves a new Row through the samples.
func follow(samples ...Sample) (r Row) {
	for _, s := range samples {
		r = r.After(s, zones.NTPPool(), false)
	}
	return r
}

func times(n int, s Sample) (out []Sample) {
	for range n {
		out = append(out, s)
	}
	return out
}

func then(parts ...[]Sample) (out []Sample) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestRowSequence(t *testing.T) {
	var r Row
	for i, step := range []struct {
		s     Sample
		score float64
	}{
		{good(), 1}, {good(), 1.95}, {good(), 2.8525}, {mute(), -2.290125}, {kiss("RATE"), -5.67561875},
		{kiss("DENY"), -50}, {good(), -46.5}, {off(5 * time.Second), -48.175}, {good(), -44.76625},
	} {
		r = r.After(step.s, zones.NTPPool(), false)
		if math.Abs(r.Score-step.score) > 1e-9 {
			t.Fatalf("check %d: score %v, want %v", i+1, r.Score, step.score)
		}
	}
	if r.Checks != 9 || r.Bad != 4 || r.Reached || r.In || r.Wrong {
		t.Errorf("after the sequence: %+v", r)
	}
}

func TestRowEarnsItsWayIn(t *testing.T) {
	var r Row
	for n := 1; n <= 14; n++ {
		s := good()
		s.Time = testEpoch.Add(time.Duration(n) * time.Second)
		r = r.After(s, zones.NTPPool(), false)
		if r.In != (n == 14) || r.Earning() != (n < 14) {
			t.Fatalf("check %d: in %v, earning %v, score %v", n, r.In, r.Earning(), r.Score)
		}
	}
	r = r.After(off(time.Millisecond), zones.NTPPool(), false)
	if !r.First.Equal(testEpoch.Add(time.Second)) || !r.Since.Equal(testEpoch.Add(14*time.Second)) {
		t.Errorf("first %v, since %v", r.First, r.Since)
	}
}

func TestRowFalls(t *testing.T) {
	up := times(117, good())
	for _, c := range []struct {
		name            string
		samples         []Sample
		in, fell, wrong bool
		missed          int
	}{
		{"up", up, true, false, false, 0},
		{"one unanswered", then(up, times(1, mute())), true, false, false, 1},
		{"two unanswered", then(up, times(2, mute())), false, true, false, 2},
		{"silent and coming back", then(up, times(9, mute()), times(3, good())), false, true, false, 0},
		{"silent and back", then(up, times(2, mute()), times(20, good())), true, false, false, 0},
		{"silent and then wrong", then(up, times(3, mute()), times(1, off(time.Second))), false, false, true, 0},
		{"silent, wrong, then good again", then(up, times(3, mute()), times(1, off(time.Second)), times(1, good())), false, false, false, 0},
		{"wrong and then silent", then(up, times(1, off(time.Second)), times(3, mute())), false, false, true, 3},
		{"wrong", then(up, times(4, off(time.Second))), false, false, true, 0},
		{"rate limited", then(up, times(3, kiss("RATE"))), false, false, true, 0},
		{"never answered", times(3, mute()), false, false, false, 3},
		{"unmeasured does not end silence", then(up, times(2, mute()), times(1, unmeasured())), false, true, false, 2},
	} {
		r := follow(c.samples...)
		if r.In != c.in || r.Fell != c.fell || r.Wrong != c.wrong || r.Missed != c.missed {
			t.Errorf("%s: in %v fell %v wrong %v missed %d, score %.1f", c.name, r.In, r.Fell, r.Wrong, r.Missed, r.Score)
		}
	}
}

// With a score to readmit at and a holding time, one that fell comes back when
// both are over, and one that never fell needs neither.
func TestRowComesBack(t *testing.T) {
	p := zones.LAN()
	p.Readmit, p.Hold = 15, 20*time.Minute
	var r Row
	now := testEpoch
	check := func(s Sample) float64 {
		now = now.Add(time.Minute)
		s.Time = now
		r = r.After(s, p, false)
		return r.Score
	}
	for n := 1; n <= 117; n++ {
		if check(good()); r.In != (n >= 14) {
			t.Fatalf("check %d: in %v at %.1f", n, r.In, r.Score)
		}
	}
	check(mute())
	check(mute())
	fell := now
	for !r.In {
		if score := check(good()); r.In != (score >= 15 && now.Sub(fell) >= p.Hold) {
			t.Fatalf("in %v at %.1f after %v", r.In, score, now.Sub(fell))
		}
	}
	if r.Score < 15 {
		t.Errorf("back at %.1f", r.Score)
	}
	// A clock that was set back does not hold anybody for ever.
	check(mute())
	check(mute())
	now = now.Add(-240 * time.Hour)
	for range 30 {
		check(good())
	}
	if !r.In {
		t.Error("held by a clock that was set back")
	}
}

func TestWhyHeld(t *testing.T) {
	p := zones.LAN()
	p.Readmit, p.Hold = 15, 20*time.Minute
	r := follow(then(times(200, good()), times(2, mute()), times(2, good()))...)
	if got, want := why(r, zones.Resort, time.Minute, p), "coming back: score 9.4 of 15, about 20 min to go"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// anySample draws every kind of check.
var anySample = rapid.Custom(func(t *rapid.T) Sample {
	offset := time.Duration(rapid.Int64Range(-5e9, 5e9).Draw(t, "offset"))
	return rapid.SampledFrom([]Sample{good(), good(), mute(), unmeasured(), kiss("RATE"), kiss("DENY"), off(offset), off(offset / 100)}).Draw(t, "sample")
})

func TestRowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Row{Score: rapid.Float64Range(-100, 20).Draw(t, "score")}
		r.In = r.Score >= eligible
		r.Reached = r.In
		for range rapid.IntRange(1, 60).Draw(t, "checks") {
			s, frozen := anySample.Draw(t, "s"), rapid.Bool().Draw(t, "frozen")
			n := r.After(s, zones.NTPPool(), frozen)
			switch {
			case n.Score < -100 || n.Score > 20:
				t.Fatalf("score %v is out of bounds", n.Score)
			case n.In != (n.Score >= eligible) || n.In && !n.Reached || r.Reached && !n.Reached:
				t.Fatalf("in %v, reached %v at %v", n.In, n.Reached, n.Score)
			case n.Fell && (n.In || n.Wrong):
				t.Fatalf("a last resort that is in %v or wrong %v", n.In, n.Wrong)
			case n.Good != (n.Step >= 0.5):
				t.Fatalf("good %v with step %v", n.Good, n.Step)
			}
			if frozen || s.Outcome == Unmeasured {
				want := r
				want.Sample, want.Why, want.Step, want.Good, want.Frozen = s, n.Why, 0, false, frozen
				if n != want {
					t.Fatalf("a check that does not count moved\n%+v to\n%+v", r, n)
				}
			} else if n.Checks != r.Checks+1 {
				t.Fatalf("checks %d after %d", n.Checks, r.Checks)
			}
			r = n
		}
	})
}
