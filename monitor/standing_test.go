package monitor

import (
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

// alone is the Merged of one vantage's fresh Row.
func alone(r Row, tenure time.Duration) Merged {
	m, _ := Merge([]Aged{{Row: r, Tenure: tenure}}, time.Minute)
	return m
}

func TestStand(t *testing.T) {
	up := times(117, good())
	for _, c := range []struct {
		name    string
		row     Row
		tenure  time.Duration
		booting bool
		want    zones.Standing
	}{
		{"first good check while booting", follow(good()), 0, true, zones.In},
		{"first good check later", follow(good()), 0, false, zones.Out},
		{"good for 15 minutes", follow(times(9, off(99*time.Millisecond))...), 15 * time.Minute, true, zones.In},
		{"good for longer and not there", follow(times(9, off(99*time.Millisecond))...), 15*time.Minute + 1, true, zones.Out},
		{"wrong while booting", follow(good(), off(time.Second)), 0, true, zones.Out},
		{"silent once while booting", follow(good(), mute(), good()), 0, true, zones.Out},
		{"earned", follow(times(14, good())...), time.Hour, false, zones.In},
		{"fell silent", follow(then(up, times(2, mute()))...), time.Hour, false, zones.Resort},
		{"fell silent long ago", follow(then(up, times(200, mute()))...), time.Hour, false, zones.Resort},
		{"coming back", follow(then(up, times(9, mute()), times(2, good()))...), time.Hour, false, zones.Resort},
		{"never was in", follow(then(times(9, good()), times(1, mute()))...), time.Hour, false, zones.Out},
		{"measured wrong", follow(then(up, times(9, off(time.Second)))...), time.Hour, false, zones.Out},
	} {
		if got := Stand(alone(c.row, c.tenure), c.booting); got != c.want {
			t.Errorf("%s: %v, want %v (score %.1f)", c.name, got, c.want, c.row.Score)
		}
	}
}

func TestStandNeverServesTheWrongEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, ok := Merge(anyRows.Draw(t, "rows"), time.Minute)
		if !ok {
			t.Skip("no fresh row")
		}
		st := Stand(m, rapid.Bool().Draw(t, "booting"))
		if m.Wrong && m.Score < eligible && st != zones.Out {
			t.Fatalf("measured wrong, score %.1f, and yet %v", m.Score, st)
		}
		if m.Score >= eligible && st != zones.In {
			t.Fatalf("score %.1f and %v", m.Score, st)
		}
	})
}

func TestWhy(t *testing.T) {
	up := times(200, good())
	for _, c := range []struct {
		row  Row
		st   zones.Standing
		want string
	}{
		{Row{}, zones.Out, "not checked yet"},
		{follow(unmeasured()), zones.Out, "not measured: network is unreachable"},
		{Row{}.After(mute(), zones.NTPPool(), true), zones.Out, "no answer, not scored yet"},
		{follow(mute(), mute()), zones.Out, "never answered"},
		{follow(times(9, good())...), zones.Out, "earning in: score 7.4 of 10, about 40 s to go"},
		{follow(times(9, good())...), zones.In, "in early while the pool starts: score 7.4 of 10"},
		{follow(up...), zones.In, "in: score 20.0, offset " + OffsetText(200*time.Microsecond)},
		{follow(then(up, times(1, mute()))...), zones.In, "in: score 14.0 after 1 unanswered check"},
		{follow(then(up, times(1, unmeasured()))...), zones.In, "in: score 20.0 kept, not measured: network is unreachable"},
		{follow(up...).After(mute(), zones.NTPPool(), true), zones.In, "in: score 20.0 kept, no answer"},
		{follow(then(up, times(2, mute()))...), zones.Resort, "score 8.3 after 2 unanswered checks"},
		{follow(then(up, times(2, mute()), times(1, good()))...), zones.Resort, "coming back: score 8.9 of 10, about 3 min to go"},
		{follow(then(up, times(1, off(time.Second)))...), zones.In, "in: score 17.0, falling: offset " + OffsetText(time.Second)},
		{follow(then(up, times(9, off(time.Second)))...), zones.Out, "offset " + OffsetText(time.Second) + ", score -2.2"},
		{follow(then(up, times(4, off(time.Second)), times(1, mute()))...), zones.Out, "score 3.4 after 1 unanswered check, measured wrong before"},
		{follow(then(up, times(9, off(time.Second)), times(1, unmeasured()))...), zones.Out, "score -2.2, measured wrong"},
	} {
		if got := why(c.row, c.st, 64*time.Second, zones.LAN()); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
