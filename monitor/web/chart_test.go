package web

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
)

// past is a history in which an address was good for a day, then wrong, then
// silent, then good again while scores were frozen.
func past(t testing.TB, addr netip.Addr, now time.Time) *monitor.History {
	t.Helper()
	h, err := monitor.OpenHistory(filepath.Join(t.TempDir(), "timepool.db"), monitor.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	put := func(ago time.Duration, s monitor.Sample, score, step float64, frozen bool) {
		s.Time, s.Vantage, s.Addr, s.Sent = now.Add(-ago), "here", addr, 1
		h.Put(monitor.Row{Sample: s, Score: score, Step: step, Frozen: frozen})
	}
	answer := monitor.Sample{Outcome: monitor.Answered, Offset: 20 * time.Microsecond, RTT: 300 * time.Microsecond, Stratum: 1}
	wrong := answer
	wrong.Offset = 400 * time.Millisecond
	for ago := 26 * time.Hour; ago > 3*time.Hour; ago -= 64 * time.Second {
		put(ago, answer, 20, 1, false)
	}
	for ago := 100 * time.Minute; ago > 80*time.Minute; ago -= time.Minute {
		put(ago, wrong, -4, -0.19, false)
	}
	for ago := 60 * time.Minute; ago > 50*time.Minute; ago -= time.Minute {
		put(ago, monitor.Sample{Outcome: monitor.Silent, Err: "no answer", Lost: 1}, -40, -5, false)
	}
	for ago := 30 * time.Minute; ago > 20*time.Minute; ago -= time.Minute {
		put(ago, answer, -40, 0, true)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(done); err != nil { // writes what was put
		t.Fatal(err)
	}
	return h
}

func TestCharts(t *testing.T) {
	addr, now := netip.MustParseAddr("10.16.0.11"), time.Now().Truncate(24*time.Hour).Add(-11*time.Hour-26*time.Minute) // alike on every day
	h := past(t, addr, now)
	for key, want := range map[string]struct{ checks, rows int }{"": {40, 4}, "3h": {40, 4}, "1d": {1220, 20}, "1w": {1334, 4}, "1m": {1334, 2}, "1y": {1334, 1}} {
		c, err := newCharts(h, addr, key, now)
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Total.Checks - want.checks; d < -3 || d > 3 || len(c.Rows) < want.rows {
			t.Errorf("%q: %d checks in %d rows, want about %d in %d", key, c.Total.Checks, len(c.Rows), want.checks, want.rows)
		}
		for _, d := range c.Drawn {
			for kind, path := range map[string]string{"score": d.Score, "good": d.Good, "wrong": d.Wrong, "silent": d.Silent, "frozen": d.Frozen} {
				if good := key == "" || key == "3h"; (path == "") != (kind == "good" && good) && key != "1m" && key != "1y" && key != "1w" {
					t.Errorf("%q, %d wide: path of %s is %.40q", key, d.Width, kind, path)
				}
				for _, number := range []string{"NaN", "Inf", "e+", "e-"} {
					if strings.Contains(path, number) {
						t.Errorf("%q: path of %s has %s", key, kind, number)
					}
				}
			}
			if len(d.Times) < 2 || len(d.Times) > 12 || len(d.Scores) < 2 {
				t.Errorf("%q, %d wide: %d ticks of time, %d of score", key, d.Width, len(d.Times), len(d.Scores))
			}
			if len(d.Score)+len(d.Good)+len(d.Wrong)+len(d.Silent)+len(d.Range) > 24<<10 {
				t.Errorf("%q: a drawing takes %d octets", key, len(d.Score)+len(d.Good))
			}
		}
	}
}

// A new address gets the short span, and one that was never checked a chart
// without marks.
func TestChartsOfTheNew(t *testing.T) {
	addr, now := netip.MustParseAddr("10.16.0.11"), time.Now()
	h := past(t, addr, now.Add(-30*24*time.Hour))
	c, err := newCharts(h, netip.MustParseAddr("10.16.0.99"), "", now)
	if err != nil || c.Span.Key != "15m" || c.Total.Checks != 0 || len(c.Drawn) != 2 || c.Drawn[0].Score != "" {
		t.Errorf("never checked: %+v, %v", c, err)
	}
}

func TestMemberPageDraws(t *testing.T) {
	v := pool()
	o := Options{History: past(t, v.Members[0].Address, time.Now())}
	text := pageOf(t, v, o, "/members/ntp1.fra?span=1d")
	for _, want := range []string{
		`aria-current="true">1 day</a>`, `role="img" aria-labelledby="t0-10.16.0.11 d0-10.16.0.11"`,
		`<title id="t0-10.16.0.11">Score and offset of 10.16.0.11, 1 day</title>`, "20 measured wrong, 10 without an answer",
		"<summary>The same as a table</summary>", `<td class="n">&#43;400 ms</td>`, `href="/scores/10.16.0.11/log?limit=1000"`,
		"No check in 1 day.", // the other address
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "ZgotmplZ") {
		t.Error("the template refused a value")
	}
}

func TestTimeTicks(t *testing.T) {
	from := time.Date(2026, 3, 28, 23, 50, 0, 0, time.UTC)
	flat := func(at time.Time) float64 { return at.Sub(from).Minutes() }
	for _, c := range []struct {
		length time.Duration
		most   int
		want   string
	}{
		{15 * time.Minute, 9, "[23:51 23:54 23:57 00:00 00:03]"},
		{3 * time.Hour, 3, "[00:00 01:00 02:00]"},
		{24 * time.Hour, 9, "[00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00]"},
		{366 * 24 * time.Hour, 3, "[1 Jun 1 Sep 1 Dec 1 Mar]"},
	} {
		var got []string
		for _, tick := range timeTicks(from, c.length, c.most, flat) {
			got = append(got, tick.Text)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v, at most %d: %v, want %s", c.length, c.most, got, c.want)
		}
	}
}

// A column is marked by the worst that was in it.
func TestMarks(t *testing.T) {
	from, c := time.Unix(1e9, 0), monitor.Sample{Outcome: monitor.Answered, Offset: time.Second, RTT: time.Millisecond}
	for want, checks := range map[string][]monitor.Point{
		"good":   {{Sample: c, Checks: 1}},
		"frozen": {{Sample: c, Checks: 1}, {Sample: c, Checks: 1, Frozen: true}},
		"wrong":  {{Sample: c, Checks: 1, Frozen: true}, {Sample: c, Checks: 1, Wrong: 1}, {Sample: c, Checks: 1}},
	} {
		columns := newColumns(from, from.Add(time.Minute), time.Minute)
		for i := range checks {
			checks[i].Time = from.Add(time.Duration(i) * time.Second)
			columns.add(&checks[i])
		}
		d := draw(spans[0], columns)
		for kind, path := range map[string]string{"good": d.Good, "wrong": d.Wrong, "frozen": d.Frozen} {
			if (path != "") != (kind == want) {
				t.Errorf("%s: the path of %s is %q", want, kind, path)
			}
		}
	}
}
