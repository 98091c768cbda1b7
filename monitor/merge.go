package monitor

import (
	"cmp"
	"slices"
	"time"
)

// Aged is a Row and how old the reader holds it to be. Both durations are on
// the reader's monotonic clock, from when the Row arrived and never from the
// writer's wall clock; time in which the reader was frozen does not count.
type Aged struct {
	Row
	Age    time.Duration // of the last check
	Tenure time.Duration // since the first check
}

// Merged is what several vantages' Rows of one address come to.
type Merged struct {
	Row          // the Row whose score stands
	Rows  []Aged // those that were fresh enough to be asked, lowest score first
	Wrong bool   // one of Rows measured the member wrong
}

// windows are tried in turn until one holds a Row: 20 minutes, 45, two hours.
var windows = [...]time.Duration{1200 * time.Second, 2700 * time.Second, trustFor}

// trustFor is how old state may be and still be believed.
const trustFor = 7200 * time.Second

// Merge folds the latest Rows of one address, one per vantage, into one. Each
// window is at least three intervals long, so that a slow schedule does not
// age its own rows out. It reports false when no Row is fresh enough.
//
// One Row stands. Of two the lower stands if its vantage measured the member
// wrong (a path may be broken on one side, a clock is wrong from everywhere),
// else the higher. Of three or more the median stands, for an even count the
// lower of the middle two, as in the NTP Pool.
func Merge(rows []Aged, interval time.Duration) (Merged, bool) {
	var m Merged
	for _, w := range windows {
		for _, r := range rows {
			if r.Checks > 0 && r.Age <= max(w, 3*interval) {
				m.Rows = append(m.Rows, r)
				m.Wrong = m.Wrong || r.Wrong
			}
		}
		if len(m.Rows) > 0 {
			break
		}
	}
	slices.SortFunc(m.Rows, func(a, b Aged) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(truth(b.Wrong), truth(a.Wrong)), cmp.Compare(a.Vantage, b.Vantage))
	})
	switch n := len(m.Rows); {
	case n == 0:
		return m, false
	case n == 2 && !m.Rows[0].Wrong:
		m.Row = m.Rows[1].Row
	default:
		m.Row = m.Rows[(n-1)/2].Row
	}
	return m, true
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
