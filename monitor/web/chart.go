package web

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
)

// span is a stretch of time that charts can show.
type span struct {
	Key, Name string
	length    time.Duration
	row       time.Duration // of the data table
}

var spans = []span{
	{"15m", "15 minutes", 15 * time.Minute, time.Minute},
	{"3h", "3 hours", 3 * time.Hour, 10 * time.Minute},
	{"1d", "1 day", 24 * time.Hour, time.Hour},
	{"1w", "1 week", 7 * 24 * time.Hour, 6 * time.Hour},
	{"1m", "1 month", 31 * 24 * time.Hour, 24 * time.Hour},
	{"1y", "1 year", 366 * 24 * time.Hour, 7 * 24 * time.Hour},
}

// columns sum the checks of equal stretches of time up: the marks of a chart, or
// the rows of its table.
type columns struct {
	from time.Time
	each time.Duration
	sums []monitor.Sum
}

func newColumns(from, to time.Time, each time.Duration) *columns {
	return &columns{from, each, make([]monitor.Sum, (to.Sub(from)+each-1)/each)}
}

func (c *columns) add(p *monitor.Point) {
	if i := int(p.Time.Sub(c.from) / c.each); i >= 0 && i < len(c.sums) {
		c.sums[i].Add(p)
	}
}

// points are what each stretch with a check came to, at its beginning.
func (c *columns) points() (all []monitor.Point) {
	for i := range c.sums {
		if p := c.sums[i].Point(); p.Checks > 0 {
			p.Time = c.from.Add(time.Duration(i) * c.each)
			all = append(all, p)
		}
	}
	return all
}

// charts is the history of one address in one span.
type charts struct {
	Address netip.Addr
	Span    span
	Drawn   []drawing       // for wide screens, and for those of 360 px
	Rows    []monitor.Point // newest first
	Total   monitor.Point
}

// newCharts reads the history of the span that is asked for by key; "" is three
// hours, or 15 minutes when there is no more.
func newCharts(h *monitor.History, addr netip.Addr, key string, now time.Time) (*charts, error) {
	at := spans[0]
	if i := slices.IndexFunc(spans, func(s span) bool { return s.Key == key }); i >= 0 {
		at = spans[i]
	} else {
		for range h.Range(addr, now.Add(-spans[1].length), now.Add(-spans[0].length)) {
			at = spans[1]
			break
		}
	}
	from := now.Add(-at.length)
	table, total := newColumns(from.Truncate(at.row), now.Add(1), at.row), monitor.Sum{}
	drawn := []*columns{newColumns(from, now, at.length/((940-left-right)/3)), newColumns(from, now, at.length/((330-left-right)/3))}
	for p, err := range h.Range(addr, from, time.Time{}) {
		if err != nil {
			return nil, err
		}
		if p.Outcome == monitor.Unmeasured {
			continue
		}
		table.add(&p)
		total.Add(&p)
		for _, d := range drawn {
			d.add(&p)
		}
	}
	c := &charts{Address: addr, Span: at, Rows: table.points(), Total: total.Point()}
	slices.Reverse(c.Rows)
	for _, d := range drawn {
		c.Drawn = append(c.Drawn, draw(at, d))
	}
	return c, nil
}

// Where things stand in a drawing, in its units.
const (
	left, right    = 64, 10
	top1, bottom1  = 10, 120 // the score's panel
	top2, bottom2  = 150, 280
	lost           = 296 // the lane of checks without an answer
	chartHeight    = 326
	scoreAxisFloor = -20
)

// drawing is what the template needs to draw one chart: paths, one for each
// kind of mark, and ticks.
type drawing struct {
	Width, Height                                        int
	Score, Range, Good, Wrong, Silent, Frozen            string
	Times, Scores, Offsets                               []tick
	Left, Right, Top1, Bottom1, Top2, Bottom2, Lost, Ten int
}

type tick struct {
	At   int
	Text string
}

func draw(at span, c *columns) drawing {
	width := left + right + 3*len(c.sums)
	d := drawing{
		Width: width, Height: chartHeight, Left: left, Right: width - right,
		Top1: top1, Bottom1: bottom1, Top2: top2, Bottom2: bottom2, Lost: lost,
	}
	x := func(t time.Time) float64 { return left + 3*float64(t.Sub(c.from))/float64(c.each) }
	d.Times = timeTicks(c.from, at.length, width/95, x)
	all := c.points()
	d.drawScore(all, c.each, x)
	d.drawOffsets(all, c.each, x)
	return d
}

// drawScore makes the line, broken where nothing was measured for a while.
func (d *drawing) drawScore(all []monitor.Point, each time.Duration, x func(time.Time) float64) {
	floor := float64(scoreAxisFloor)
	for i := range all {
		floor = min(floor, math.Floor(all[i].Low.Score/20)*20)
	}
	y := func(score float64) float64 { return bottom1 - (score-floor)/(20-floor)*(bottom1-top1) }
	for v := 20.0; v >= floor; v -= max(20, math.Ceil((20-floor)/80)*20) {
		d.Scores = append(d.Scores, tick{int(y(v)), signed(v)})
	}
	d.Ten = int(y(10))
	var line strings.Builder
	for i := range all {
		verb := "L"
		if i == 0 || all[i].Time.Sub(all[i-1].Time) > max(12*each, 5*time.Minute) {
			verb = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1fh1.5", verb, x(all[i].Time), y(all[i].Score))
	}
	d.Score = line.String()
}

// drawOffsets makes a mark for each column, by the worst that was in it: a
// triangle where the clock was measured wrong, a diamond while scores were
// frozen, or a dot, and a cross in its own lane where no answer came. A bar is from the least
// to the largest offset. The axis is linear near zero and logarithmic beyond.
func (d *drawing) drawOffsets(all []monitor.Point, each time.Duration, x func(time.Time) float64) {
	y := d.offsetAxis(all)
	var good, wrong, silent, frozen, bars strings.Builder
	for i := range all {
		p := &all[i]
		at := x(p.Time.Add(each / 2))
		if p.Silent > 0 {
			fmt.Fprintf(&silent, "M%.1f %dl5 5m0-5l-5 5", at-2.5, lost-3)
		}
		if !p.Timed() {
			continue
		}
		if low, high := y(p.Low.Offset), y(p.High.Offset); low-high > 3 {
			fmt.Fprintf(&bars, "M%.1f %.1fV%.1f", at, low, high)
		}
		mean := y(p.Offset)
		switch {
		case p.Wrong > 0:
			fmt.Fprintf(&wrong, "M%.1f %.1fl3.4 6h-6.8z", at, mean-3.6)
		case p.Frozen:
			fmt.Fprintf(&frozen, "M%.1f %.1fl3 3-3 3-3-3z", at, mean-3)
		default:
			fmt.Fprintf(&good, "M%.1f %.1fh0", at, mean)
		}
	}
	d.Good, d.Wrong, d.Silent, d.Frozen, d.Range = good.String(), wrong.String(), silent.String(), frozen.String(), bars.String()
}

// offsetAxis makes the axis so that half of the offsets are where it is linear,
// and all are on it.
func (d *drawing) offsetAxis(all []monitor.Point) (y func(time.Duration) float64) {
	var sizes []float64
	for i := range all {
		if all[i].Timed() {
			sizes = append(sizes, float64(max(all[i].Low.Offset.Abs(), all[i].High.Offset.Abs())))
		}
	}
	unit, most := 1e4, 3e4 // 10 µs, 30 µs
	if len(sizes) > 0 {
		slices.Sort(sizes)
		for 10*unit < sizes[len(sizes)/2] {
			unit *= 10
		}
		most = max(unit*3, sizes[len(sizes)-1]*1.3)
	}
	const middle, half = (top2 + bottom2) / 2.0, (bottom2 - top2) / 2.0
	y = func(v time.Duration) float64 { return middle - math.Asinh(float64(v)/unit)/math.Asinh(most/unit)*half }
	d.Offsets = []tick{{middle, "0"}}
	last := middle
	for v := unit; v <= most; v *= 10 {
		if at := y(time.Duration(v)); last-at >= 14 {
			last = at
			d.Offsets = append(d.Offsets, tick{int(last), offset(time.Duration(v))}, tick{int(2*middle - last), offset(-time.Duration(v))})
		}
	}
	return y
}

// timeTicks puts at most about most ticks on round times, UTC.
func timeTicks(from time.Time, length time.Duration, most int, x func(time.Time) float64) (ticks []tick) {
	const day = 24 * time.Hour
	steps := []time.Duration{
		time.Minute, 3 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour,
		12 * time.Hour, day, 2 * day, 7 * day, 14 * day, 31 * day, 61 * day, 92 * day, 122 * day,
	}
	i := 0
	for i < len(steps)-1 && length/steps[i] > time.Duration(most) {
		i++
	}
	step, layout := steps[i], "15:04"
	if step >= 12*time.Hour {
		layout = "2 Jan"
	}
	at, next := from.Truncate(step), func(t time.Time) time.Time { return t.Add(step) }
	if step > 14*day { // whole months
		at = time.Date(from.UTC().Year(), from.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
		next = func(t time.Time) time.Time { return t.AddDate(0, int(step/(30*day)), 0) }
	}
	for ; at.Before(from.Add(length)); at = next(at) {
		if at.After(from) {
			ticks = append(ticks, tick{int(x(at)), at.UTC().Format(layout)})
		}
	}
	return ticks
}
