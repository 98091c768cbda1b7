package monitor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// seen is a Row of a score at an age.
func seen(score float64, age time.Duration) Aged {
	return Aged{Row: Row{Score: score, Checks: 1}, Age: age}
}

func named(rows []Aged) []Aged {
	for i := range rows {
		rows[i].Vantage = fmt.Sprint("v", i)
	}
	return rows
}

func scores(vs ...float64) (rows []Aged) {
	for _, v := range vs {
		rows = append(rows, seen(v, time.Minute))
	}
	return named(rows)
}

func TestMerge(t *testing.T) {
	wrong := scores(-5, 20)
	wrong[0].Wrong = true
	wrongHigh := scores(-5, 20)
	wrongHigh[1].Wrong = true
	for _, c := range []struct {
		name     string
		rows     []Aged
		interval time.Duration
		score    float64
		ok       bool
	}{
		{"none", nil, 0, 0, false},
		{"one", scores(3), 0, 3, true},
		{"two: the higher", scores(20, -5), 0, 20, true},
		{"two: the lower measured it wrong", wrong, 0, -5, true},
		{"two: the higher measured it wrong", wrongHigh, 0, 20, true},
		{"seven, four good", scores(20, -5, 20, -5, 20, -5, 20), 0, 20, true},
		{"seven, three good", scores(20, -5, 20, -5, 20, -5, -5), 0, -5, true},
		{"four: lower middle", scores(20, -5, 20, -5), 0, -5, true},
		{"three", scores(1, 3, 2), 0, 2, true},
		{"young before old", named([]Aged{seen(20, 1201*time.Second), seen(1, 1200*time.Second)}), 0, 1, true},
		{"both within 45 minutes", named([]Aged{seen(20, 2700*time.Second), seen(1, 1201*time.Second)}), 0, 20, true},
		{"within two hours", named([]Aged{seen(20, 7200*time.Second)}), 0, 20, true},
		{"too old", named([]Aged{seen(20, 7201*time.Second)}), 0, 0, false},
		{"three intervals are longer", named([]Aged{seen(20, 9000*time.Second), seen(1, 10*time.Second)}), 3000 * time.Second, 20, true},
		{"never measured", []Aged{{Row: Row{Score: 20}}}, 0, 0, false},
	} {
		m, ok := Merge(c.rows, c.interval)
		if ok != c.ok || m.Score != c.score {
			t.Errorf("%s: %v %v, want %v %v", c.name, m.Score, ok, c.score, c.ok)
		}
	}
}

func TestMergeOfEqualScores(t *testing.T) {
	rows := scores(5, 5, 5)
	a, _ := Merge(rows, 0)
	slices.Reverse(rows)
	if b, _ := Merge(rows, 0); a.Vantage != b.Vantage {
		t.Errorf("%s or %s, as they come", a.Vantage, b.Vantage)
	}
	rows[0].Vantage, rows[2].Vantage = "z", "a"
	if b, _ := Merge(rows, 0); b.Vantage != "v1" {
		t.Errorf("%s stands for a, v1 and z", b.Vantage)
	}
}

// anyRows draws what several vantages have of one address.
var anyRows = rapid.Custom(func(t *rapid.T) []Aged {
	rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Aged {
		start := rapid.SampledFrom([][]Sample{nil, times(20, good()), then(times(20, good()), times(4, mute()))}).Draw(t, "start")
		a := Aged{Row: follow(then(start, rapid.SliceOfN(anySample, 0, 20).Draw(t, "samples"))...)}
		a.Age = time.Duration(rapid.IntRange(0, 8000).Draw(t, "age")) * time.Second
		a.Tenure = a.Age + time.Duration(rapid.IntRange(0, 2000).Draw(t, "tenure"))*time.Second
		return a
	}), 0, 7).Draw(t, "rows")
	return named(rows)
})

func TestMergeHasNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows.Draw(t, "rows")
		a, okA := Merge(rows, time.Minute)
		b, okB := Merge(rapid.Permutation(rows).Draw(t, "permuted"), time.Minute)
		if okA != okB || a.Row != b.Row || a.Wrong != b.Wrong || len(a.Rows) != len(b.Rows) {
			t.Fatalf("%v %+v\n%v %+v", okA, a, okB, b)
		}
		for _, r := range a.Rows {
			if r.Age > 2*time.Hour {
				t.Fatalf("a row of age %v was asked", r.Age)
			}
		}
	})
}
