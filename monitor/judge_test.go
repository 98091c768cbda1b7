package monitor

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

func offBy(offset time.Duration) Sample {
	return Sample{Stratum: 2, Offset: offset, RTT: time.Millisecond, RootDistance: 10 * time.Millisecond, Sent: 3}
}

func kissed(code string) Sample { return Sample{Leap: 3, Kiss: code, Sent: 1} }

func atStratum(n uint8) Sample { s := offBy(0); s.Stratum = n; return s }

var silent = Sample{Outcome: Silent, Err: timedOut, Sent: 3, Lost: 3}

func near(a, b, tolerance float64) bool { return a == b || math.Abs(a-b) <= tolerance }

func TestStepsSettle(t *testing.T) {
	p := zones.NTPPool()
	for _, tt := range []struct {
		ms           int
		step, steady float64
	}{
		{0, 1, 20}, {25, 1, 20}, {26, 0.993658, 19.873}, {50, 0.83365, 16.673}, {75, 0.666975, 13.340},
		{100, 0.5003, 10.006}, {125, 0.4425, 8.85}, {200, 0.2694, 5.388}, {400, -0.1922, -3.844},
		{749, -0.997692, -19.954}, {750, -1, -20}, {751, -2, -40}, {3000, -2, -40}, {3001, -4, -80},
	} {
		for _, sign := range []int{1, -1} {
			s := offBy(time.Duration(sign*tt.ms) * time.Millisecond)
			step, limit, _, _ := Judge(s, p)
			if !near(step, tt.step, 1e-9) {
				t.Errorf("%d ms: step %v, want %v", sign*tt.ms, step, tt.step)
			}
			if capped := !math.IsInf(limit, 1); capped != (tt.ms > 3000) || capped && limit != -20 {
				t.Errorf("%d ms: cap %v", sign*tt.ms, limit)
			}
			for _, start := range []float64{WorstScore, 0, BestScore} {
				score := start
				for range 400 {
					score = Next(score, s, p)
				}
				if !near(score, tt.steady, 0.000501) { // given to three digits
					t.Errorf("%d ms: settles at %v from %v, want %v", sign*tt.ms, score, start, tt.steady)
				}
			}
		}
	}
}

func TestSequence(t *testing.T) {
	score := 0.0
	for i, st := range []struct {
		s    Sample
		want float64
	}{
		{offBy(0), 1}, {offBy(0), 1.95}, {offBy(0), 2.8525}, {silent, -2.290125},
		{Sample{Outcome: Unmeasured, Err: "connect: network is unreachable"}, -2.290125},
		{kissed("RATE"), -5.675619}, {kissed("DENY"), -50}, {offBy(0), -46.5},
		{offBy(5 * time.Second), -48.175}, {offBy(0), -44.76625},
	} {
		score = Next(score, st.s, zones.NTPPool())
		if !near(score, st.want, 1e-6) {
			t.Fatalf("after check %d: %v, want %v", i, score, st.want)
		}
	}
}

func TestChecksToReach(t *testing.T) {
	for _, tt := range []struct{ from, to, checks, end float64 }{
		{0, 10, 14, 10.247}, {-5, 10, 18, 0}, {-20, 10, 28, 0}, {-50, 10, 38, 0}, {-100, 10, 49, 0}, {0, 19.95, 117, 0},
	} {
		score, n := tt.from, 0.0
		for ; score < tt.to; n++ {
			score = Next(score, offBy(0), zones.NTPPool())
		}
		if n != tt.checks || tt.end != 0 && !near(score, tt.end, 0.0005) {
			t.Errorf("from %v to %v: %v checks, score %v", tt.from, tt.to, n, score)
		}
	}
}

func TestChecksToLeave(t *testing.T) {
	ms := func(n time.Duration) Sample { return offBy(n * time.Millisecond) }
	for _, tt := range []struct {
		name   string
		s      Sample
		checks int
	}{
		{"timeouts", silent, 2}, {"RATE", kissed("RATE"), 3}, {"bad stratum", atStratum(16), 3},
		{"751 ms", ms(751), 4}, {"750 ms", ms(750), 6}, {"200 ms", ms(200), 23}, {"125 ms", ms(125), 45}, {"110 ms", ms(110), 62},
	} {
		score, n := float64(BestScore), 0
		for ; score >= 10; n++ {
			score = Next(score, tt.s, zones.NTPPool())
		}
		if n != tt.checks {
			t.Errorf("%s: below 10 after %d checks, want %d", tt.name, n, tt.checks)
		}
	}
	p := zones.NTPPool()
	if a := Next(BestScore, silent, p); a != 14 || !near(Next(a, silent, p), 8.3, 1e-9) {
		t.Error("timeouts from 20 are not 14.0 and 8.3")
	}
}

// First match wins, and an offset beyond 3 s caps whatever matched.
func TestJudgeRules(t *testing.T) {
	none := math.Inf(1)
	with := func(edit func(*Sample)) Sample { s := offBy(5 * time.Millisecond); edit(&s); return s }
	for _, tt := range []struct {
		s           Sample
		step, limit float64
		why         string
	}{
		{offBy(0), 1, none, "offset +0 µs"},
		{offBy(-41 * time.Microsecond), 1, none, "offset -41 µs"},
		{offBy(312 * time.Millisecond), 0.731 - 2.308*0.312, none, "offset +312 ms"},
		{offBy(-3001 * time.Millisecond), -4, -20, "offset -3.001 s"},
		{silent, -5, none, "no answer"},
		{Sample{Outcome: Silent}, -5, none, "no answer"},
		{Sample{Outcome: Silent, Err: "port unreachable"}, -5, none, "no answer: port unreachable"},
		{Sample{Outcome: Unmeasured, Err: "connect: network is unreachable"}, 0, none, "not measured: connect: network is unreachable"},
		{kissed("RATE"), -3.5, none, "kiss code RATE"},
		{kissed("DENY"), -10, -50, "kiss code DENY"},
		{kissed("RSTR"), -10, -50, "kiss code RSTR"},
		{kissed("INIT"), -4, none, "kiss code INIT"},
		{with(func(s *Sample) { s.Stratum = 0 }), -4, none, "stratum 0 (unsynchronised)"},
		{with(func(s *Sample) { s.Stratum = 7 }), 1, none, "offset +5 ms"},
		{with(func(s *Sample) { s.Stratum = 8 }), -4, none, "stratum 8"},
		{with(func(s *Sample) { s.Stratum = 10 }), -4, none, "stratum 10"},
		{with(func(s *Sample) { s.Stratum = 11 }), -4, none, "stratum 11"},
		{with(func(s *Sample) { s.Stratum = 16 }), -4, none, "stratum 16 (unsynchronised)"},
		{with(func(s *Sample) { s.Stratum = 16; s.Offset = 4 * time.Second }), -4, -20, "stratum 16 (unsynchronised)"},
		{with(func(s *Sample) { s.Stratum = 9; s.Offset = -4 * time.Second }), -4, -20, "offset -4 s"},
		{with(func(s *Sample) { s.Leap = 3 }), -4, none, "leap 3: clock not synchronised"},
		{with(func(s *Sample) { s.Leap = 3; s.Offset = 4 * time.Second }), -4, -20, "leap 3: clock not synchronised"},
		{with(func(s *Sample) { s.Leap = 2 }), 1, none, "offset +5 ms"},
		{with(func(s *Sample) { s.RootDistance = 1500 * time.Millisecond }), 1, none, "offset +5 ms"},
		{with(func(s *Sample) { s.RootDistance = 2100 * time.Millisecond }), -4, none, "root distance 2.1 s"},
		{with(func(s *Sample) { s.RootDistance = 2 * time.Second; s.Offset = 4 * time.Second }), -4, -20, "root distance 2 s"},
		{with(func(s *Sample) { s.Invalid = "sent before it received" }), -4, none, "sent before it received"},
		{with(func(s *Sample) { s.Invalid = "no reference time"; s.Offset = time.Minute }), -4, -20, "no reference time"},
	} {
		step, limit, _, why := Judge(tt.s, zones.NTPPool())
		if !near(step, tt.step, 1e-12) || limit != tt.limit || why != tt.why {
			t.Errorf("%+v:\n got %v %v %q\nwant %v %v %q", tt.s, step, limit, why, tt.step, tt.limit, tt.why)
		}
	}
}

func TestSigned(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "+0 µs", -300: "+0 µs", -600: "-1 µs", 999*time.Microsecond + 999: "+1 ms", 1234567: "+1.24 ms",
		-99960 * time.Microsecond: "-100 ms", 100 * time.Millisecond: "+100 ms", 400 * time.Second: "+400 s",
	} {
		if got := OffsetText(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
}

// over is an offset seen over a round trip.
func over(rtt, offset time.Duration) Sample {
	s := offBy(offset)
	s.RTT = rtt
	return s
}

// A near clock wrong by 100 ms is out within three checks, and one that may be
// right but for its path is not.
func TestLAN(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		rtt, offset time.Duration
		step        float64
	}{
		{0, 0, 1}, {0, 5 * ms, 1}, {0, 14 * ms, 0.8}, {0, 50 * ms, 0}, {0, 75 * ms, -1.5}, {0, 100 * ms, -3},
		{0, 100*ms + 1, -4}, {0, 3 * time.Second, -4}, {2 * ms, 6 * ms, 1}, {40 * ms, 70 * ms, 0}, {40 * ms, 20 * ms, 1},
		{200 * ms, 50 * ms, 0.83365},    // the path may have made it all, but the NTP Pool would not excuse it
		{2 * time.Second, 800 * ms, -2}, // nor this
	} {
		for _, sign := range []time.Duration{1, -1} {
			step, limit, _, why := Judge(over(tt.rtt, sign*tt.offset), zones.LAN())
			if !near(step, tt.step, 1e-9) || !math.IsInf(limit, 1) {
				t.Errorf("%v over %v: step %v, cap %v, want %v (%s)", sign*tt.offset, tt.rtt, step, limit, tt.step, why)
			}
		}
	}
	score, checks := float64(BestScore), 0
	for ; score >= eligible; checks++ {
		score = Next(score, over(ms, 100*ms), zones.LAN())
	}
	if checks > 3 {
		t.Errorf("wrong by 100 ms for %d checks until it was out", checks)
	}
}

// Whatever the profile, no check is worth more than the NTP Pool gives it, and
// none is worth more for a bigger offset.
func TestProfilesNeverBeatTheNTPPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]zones.Profile{zones.LAN(), zones.NTPPool(), anyProfile(t)}).Draw(t, "profile")
		span := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(4*time.Second)).Draw(t, name))
		}
		s := over(span("round trip"), span("offset"))
		s.Stratum = rapid.Uint8Range(0, 16).Draw(t, "stratum")
		step, limit, _, _ := Judge(s, p)
		most, bound, _, _ := Judge(s, zones.NTPPool())
		if step > most || limit > bound {
			t.Fatalf("step %v, cap %v where the NTP Pool has %v and %v", step, limit, most, bound)
		}
		s.Offset += span("more")
		if worse, _, _, _ := Judge(s, p); worse > step+1e-12 {
			t.Fatalf("%v more than %v for less", worse, step)
		}
	})
}

// anyProfile draws bands as the registry takes them.
func anyProfile(t *rapid.T) zones.Profile {
	p := zones.Profile{MaxStratum: rapid.IntRange(1, 7).Draw(t, "strata"), MaxRootDistance: time.Second, Path: rapid.Bool().Draw(t, "path")}
	from, worth := time.Duration(0), 1.0
	fall := func() float64 { return worth - rapid.Float64Range(0, 2).Draw(t, "fall") }
	for range rapid.IntRange(1, 4).Draw(t, "bands") {
		b := zones.Band{UpTo: from + time.Duration(rapid.Int64Range(1, 5e8).Draw(t, "width")), From: fall()}
		worth = b.From
		b.To = fall()
		from, worth = b.UpTo, b.To
		p.Bands = append(p.Bands, b)
	}
	p.Beyond = fall()
	return p
}

func TestProfileLimits(t *testing.T) {
	p := zones.LAN()
	p.MaxStratum, p.MaxRootDistance = 3, 20*time.Millisecond
	far := offBy(0)
	far.RootDistance = 21 * time.Millisecond
	for s, want := range map[*Sample]float64{ptr(offBy(0)): 1, ptr(atStratum(3)): 1, ptr(atStratum(4)): -4, &far: -4} {
		if step, _, _, why := Judge(*s, p); step != want {
			t.Errorf("stratum %d, root distance %v: step %v (%s), want %v", s.Stratum, s.RootDistance, step, why, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Sample{
			Outcome:      Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
			Offset:       time.Duration(rapid.Int64().Draw(t, "offset")),
			RootDistance: time.Duration(rapid.Int64().Draw(t, "root distance")),
			Stratum:      rapid.Uint8().Draw(t, "stratum"),
			Leap:         rapid.Uint8Range(0, 3).Draw(t, "leap"),
			Kiss:         rapid.SampledFrom([]string{"", "RATE", "DENY", "RSTR", "STEP"}).Draw(t, "kiss"),
		}
		score := rapid.Float64Range(WorstScore, BestScore).Draw(t, "score")
		p := zones.NTPPool()
		step, limit, _, why := Judge(s, p)
		next := Next(score, s, p)
		switch {
		case next < WorstScore || next > BestScore || next > limit:
			t.Fatalf("%v after %v, cap %v", next, score, limit)
		case s.Outcome == Unmeasured && next != score:
			t.Fatalf("an unmeasured check moved %v to %v", score, next)
		case why == "" || strings.ContainsAny(why, "\n"):
			t.Fatalf("why is not one line: %q", why)
		case step >= GoodStep && s.Offset.Abs() > 101*time.Millisecond:
			t.Fatalf("offset %v counts as good", s.Offset)
		}
		s.Offset = -s.Offset
		if other, l, _, _ := Judge(s, p); other != step || l != limit {
			t.Fatalf("step %v for %v and %v for its negative", step, -s.Offset, other)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	p := zones.NTPPool()
	for _, offset := range []time.Duration{time.Millisecond, 300 * time.Millisecond} {
		b.Run(fmt.Sprint(offset), func(b *testing.B) {
			score := 0.0
			for b.Loop() {
				score = Next(score, offBy(offset), p)
			}
		})
	}
}
