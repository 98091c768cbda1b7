package monitor

import (
	"testing"
	"testing/synctest"
	"time"
)

// In a maintenance window a member is measured and shown, its score stands and
// does not grow old, and its silence says nothing of this node's network.
func TestBoardPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(pool(2))
		running(t, b)
		for range 40 {
			b.round(2, good())
		}
		before := b.Scores()[addr(0)].Value
		reg := pool(2)
		reg.Members[0].Paused = true
		b.Watch(reg)
		for range 150 { // more than two hours
			time.Sleep(64 * time.Second)
			b.Record(at(0, off(time.Hour)))
			b.Record(at(0, mute()))
			b.Record(at(1, good()))
		}
		if r, _ := b.Last(addr(0)); r.Score != before || !r.Frozen || r.Missed != 0 || r.Wrong {
			t.Errorf("moved in its window: %+v", r)
		}
		b.Record(at(1, mute()))
		b.Record(at(1, mute()))
		if s := b.Status(); s.Frozen {
			t.Errorf("frozen by a member that is worked on: %+v", s)
		}
		b.Watch(pool(2))
		wantStandings(t, b, "in resort")
	})
}
