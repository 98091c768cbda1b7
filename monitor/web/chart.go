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

// slot sums up the checks of one stretch of time: a column of the chart, or a
// row of its table.
type slot struct {
	From                          time.Time
	Checks, Silent, Wrong, Frozen int
	Score, Low                    float64 // the last, and the lowest
	Min, Max, sum                 time.Duration
	measured                      int
}

// Mean is the mean offset, Measured whether there is one.
func (s *slot) Mean() time.Duration { return s.sum / time.Duration(max(s.measured, 1)) }
func (s *slot) Measured() bool      { return s.measured > 0 }

func (s *slot) add(p *monitor.Point) {
	if p.Outcome == monitor.Unmeasured && p.For == 0 {
		return
	}
	if s.Checks == 0 {
		s.Low = p.Low.Score
	}
	s.Checks += p.Checks
	s.Silent += p.Silent
	s.Score, s.Low = p.Score, min(s.Low, p.Low.Score)
	if answered := p.Checks - p.Silent; p.Frozen {
		s.Frozen += answered
	} else if p.Step < monitor.GoodStep {
		s.Wrong += answered
	}
	if !p.Timed() {
		return
	}
	if s.measured == 0 {
		s.Min, s.Max = p.Low.Offset, p.High.Offset
	}
	n := p.Checks - p.Silent
	s.measured += n
	s.Min, s.Max, s.sum = min(s.Min, p.Low.Offset), max(s.Max, p.High.Offset), s.sum+p.Offset*time.Duration(n)
}

// slots cuts [from, to) into equal slots; those without a check are left out.
type slots struct {
	from time.Time
	each time.Duration
	all  []slot
}

func (s *slots) add(c *monitor.Point) {
	i := int(c.Time.Sub(s.from) / s.each)
	if i < 0 || i >= len(s.all) {
		return
	}
	s.all[i].From = s.from.Add(time.Duration(i) * s.each)
	s.all[i].add(c)
}

func newSlots(from, to time.Time, each time.Duration) slots {
	return slots{from, each, make([]slot, (to.Sub(from)+each-1)/each)}
}

func (s *slots) checked() []slot {
	return slices.DeleteFunc(s.all, func(s slot) bool { return s.Checks == 0 })
}

// charts is the history of one address in one span.
type charts struct {
	Address netip.Addr
	Span    span
	Drawn   []drawing // for wide screens, and for those of 360 px
	Rows    []slot    // newest first
	Total   slot
}

// newCharts reads the history of the span that is asked for by key; "" is three
// hours, or 15 minutes when there is no more.
func newCharts(h *monitor.History, addr netip.Addr, key string, now time.Time) (*charts, error) {
	i := slices.IndexFunc(spans, func(s span) bool { return s.Key == key })
	at := spans[1]
	if i >= 0 {
		at = spans[i]
	}
	read := h.Range
	if at.length > 48*time.Hour {
		read = h.Rolled
	}
	var all []monitor.Point
	for p, err := range read(addr, now.Add(-at.length), time.Time{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if i < 0 && (len(all) == 0 || now.Sub(all[0].Time) < spans[0].length) {
		at = spans[0]
	}
	from := now.Add(-at.length)
	table := newSlots(from.Truncate(at.row), now.Add(1), at.row)
	c := &charts{Address: addr, Span: at}
	for i := range all {
		table.add(&all[i])
		c.Total.add(&all[i])
	}
	c.Rows = table.checked()
	slices.Reverse(c.Rows)
	for _, width := range []int{940, 330} {
		columns := newSlots(from, now, at.length/time.Duration((width-left-right)/3))
		for i := range all {
			columns.add(&all[i])
		}
		c.Drawn = append(c.Drawn, draw(width, at, from, columns))
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

func draw(width int, at span, from time.Time, columns slots) drawing {
	d := drawing{
		Width: width, Height: chartHeight, Left: left, Right: width - right,
		Top1: top1, Bottom1: bottom1, Top2: top2, Bottom2: bottom2, Lost: lost,
	}
	each := float64(columns.each)
	x := func(t time.Time) float64 {
		return left + float64(t.Sub(from))/each*float64(d.Right-left)/float64(len(columns.all))
	}
	d.Times = timeTicks(from, at.length, width/95, x)
	all := columns.checked()
	d.drawScore(all, columns.each, x)
	d.drawOffsets(all, columns.each, x)
	return d
}

// drawScore makes the line, broken where nothing was measured for a while.
func (d *drawing) drawScore(all []slot, each time.Duration, x func(time.Time) float64) {
	floor := float64(scoreAxisFloor)
	for i := range all {
		floor = min(floor, math.Floor(all[i].Low/20)*20)
	}
	y := func(score float64) float64 { return bottom1 - (score-floor)/(20-floor)*(bottom1-top1) }
	for v := 20.0; v >= floor; v -= max(20, math.Ceil((20-floor)/80)*20) {
		d.Scores = append(d.Scores, tick{int(y(v)), signed(v)})
	}
	d.Ten = int(y(10))
	var line strings.Builder
	for i := range all {
		verb := "L"
		if i == 0 || all[i].From.Sub(all[i-1].From) > max(12*each, 5*time.Minute) {
			verb = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1fh1.5", verb, x(all[i].From), y(all[i].Score))
	}
	d.Score = line.String()
}

// drawOffsets makes a mark for each column, by the worst that was in it: a dot,
// a triangle where the clock was measured wrong, a cross in its own lane where
// no answer came, a diamond while scores were frozen. A bar is from the least
// to the largest offset. The axis is linear near zero and logarithmic beyond.
func (d *drawing) drawOffsets(all []slot, each time.Duration, x func(time.Time) float64) {
	var sizes []float64
	for i := range all {
		if all[i].Measured() {
			sizes = append(sizes, float64(max(all[i].Min.Abs(), all[i].Max.Abs())))
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
	middle, half := (top2+bottom2)/2.0, (bottom2-top2)/2.0
	y := func(v float64) float64 { return middle - math.Asinh(v/unit)/math.Asinh(most/unit)*half }
	d.Offsets = []tick{{int(middle), "0"}}
	last := middle
	for v := unit; v <= most; v *= 10 {
		if last-y(v) < 14 {
			continue
		}
		last = y(v)
		text := seconds(time.Duration(v))
		text = strings.NewReplacer(".000", "", ".00", "").Replace(text)
		d.Offsets = append(d.Offsets, tick{int(last), "+" + text}, tick{int(2*middle - last), "−" + text})
	}
	var good, wrong, silent, frozen, bars strings.Builder
	for i := range all {
		s := &all[i]
		at := x(s.From.Add(each / 2))
		if s.Silent > 0 {
			fmt.Fprintf(&silent, "M%.1f %dl5 5m0-5l-5 5", at-2.5, lost-3)
		}
		if !s.Measured() {
			continue
		}
		if low, high := y(float64(s.Min)), y(float64(s.Max)); low-high > 3 {
			fmt.Fprintf(&bars, "M%.1f %.1fV%.1f", at, low, high)
		}
		mean := y(float64(s.Mean()))
		switch {
		case s.Frozen > 0:
			fmt.Fprintf(&frozen, "M%.1f %.1fl3 3-3 3-3-3z", at, mean-3)
		case s.Wrong > 0:
			fmt.Fprintf(&wrong, "M%.1f %.1fl3.4 6h-6.8z", at, mean-3.6)
		default:
			fmt.Fprintf(&good, "M%.1f %.1fh0", at, mean)
		}
	}
	d.Good, d.Wrong, d.Silent, d.Frozen, d.Range = good.String(), wrong.String(), silent.String(), frozen.String(), bars.String()
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
	add := func(t time.Time) {
		if t.After(from) && t.Before(from.Add(length)) {
			ticks = append(ticks, tick{int(x(t)), t.UTC().Format(layout)})
		}
	}
	if step > 14*day { // whole months
		for m := 0; m <= 13; m += int(step / (30 * day)) {
			add(time.Date(from.UTC().Year(), from.UTC().Month()+time.Month(m), 1, 0, 0, 0, 0, time.UTC))
		}
		return ticks
	}
	for t := from.Truncate(step); t.Before(from.Add(length)); t = t.Add(step) {
		add(t)
	}
	return ticks
}
