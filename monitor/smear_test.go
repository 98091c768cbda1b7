package monitor

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The day of a leap second, noon to noon, on a node whose clock steps: members
// that step or smear and say so stay in with checks that are all the best; one that smears
// undeclared is measured wrong, and so is one that smears wrongly. On the day
// before and after there is nothing to tell them apart by.
func TestSmearIsScored(t *testing.T) {
	const half, second = 12 * time.Hour, time.Second
	leap := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
	start := leap.Add(-half - 2*time.Hour)
	var past time.Duration // true time since start
	wall := func(past time.Duration) time.Time {
		if start.Add(past).Before(leap) {
			return start.Add(past)
		}
		return start.Add(past - second)
	}
	spread := func(past time.Duration) time.Duration { // by what smeared time is behind at that true time
		share := float64(past-2*time.Hour) / float64(2*half+second)
		return time.Duration(max(0, min(1, share)) * float64(second))
	}
	smeared := func(past time.Duration) time.Duration { return start.Add(past - spread(past)).Sub(wall(past)) }

	const _, declared, says, undeclared, wrong, n = 0, 3, 4, 5, 6, 7
	reg := pool(n)
	for i := range reg.Members {
		reg.Members[i].Smear = i == declared || i == wrong
	}
	begin := time.Now()
	b := NewBoard(BoardOptions{
		Own:  func(netip.Addr) bool { return false },
		Now:  func() time.Time { return begin.Add(past) },
		Wall: func() time.Time { return wall(past) },
		Smeared: func(at time.Time, offset time.Duration) time.Duration {
			before, after := at.Sub(start), at.Sub(start)+second
			switch {
			case at.Before(leap.Add(-15 * time.Second)):
				return -spread(before)
			case at.Before(leap.Add(15*time.Second)) && offset < 0:
				return -spread(before)
			}
			return second - spread(after)
		},
	})
	b.Watch(reg)
	check := func(i int) Row {
		s := good()
		s.Addr, s.Time, s.Offset = addr(i), wall(past), time.Millisecond
		if i >= declared {
			s.Offset += smeared(past)
		}
		if i == says && spread(past) > 0 && spread(past) < second {
			s.RefID = 0xFEE00000
		}
		if i == wrong {
			s.Offset += 150 * time.Millisecond
		}
		return b.Record(s)
	}
	frozen := time.Duration(0)
	every := func(d, end time.Duration) {
		for ; past < end; past += d {
			for i := range n {
				row := check(i)
				if i < undeclared && past > 2*time.Hour && !row.Frozen && (row.Step < 1 || row.Offset.Abs() > 2*time.Millisecond) {
					t.Fatalf("%v, member %d: %+v", wall(past), i, row)
				}
			}
			if b.Status().Frozen {
				frozen += d
			}
		}
	}
	every(64*time.Second, 2*time.Hour)
	wantStandings(t, b, "in in in in in in out")
	every(64*time.Second, 14*time.Hour-30*time.Second)
	wantStandings(t, b, "in in in in in out out")
	if w := b.Status().Truth.Warnings; len(w) != 1 || !strings.Contains(w[0], "ntp3, ntp4, ntp6 smear it now and 4 others do not") {
		t.Errorf("%q", w)
	}
	every(100*time.Millisecond, 14*time.Hour+30*time.Second) // the second itself
	wantStandings(t, b, "in in in in in out out")
	every(64*time.Second, 20*time.Hour)
	wantStandings(t, b, "in in in in in out out")
	every(64*time.Second, 30*time.Hour)
	wantStandings(t, b, "in in in in in in out")
	if frozen > time.Second {
		t.Errorf("frozen for %v", frozen)
	}
}
