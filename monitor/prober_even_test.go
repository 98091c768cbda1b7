//go:build !race

package monitor

import (
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A hundred thousand addresses go out evenly, each at the same moment of every
// interval, also after a restart at any other moment. So many timers of a synctest
// bubble crash the race detector itself now and then (go.dev/issue/78156); the same
// code meets it in the tests of fewer addresses.
func TestEvenAndTheSameAfterARestart(t *testing.T) {
	all := addrs(100_000)
	const interval = 64 * time.Second
	phases := func(all []netip.Addr, idle time.Duration) map[netip.Addr]time.Duration {
		out := make(map[netip.Addr]time.Duration, len(all))
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(idle)
			f := newField(t)
			f.answer = func(netip.Addr, int) Sample { return one(0) }
			f.settled(all)
			p := f.prober()
			p.Interval, p.Samples = interval, 1
			p.Watch(all)
			run(t, p, interval+batch) // the last to be due are asked with their batch, and the first may be again
			var perSecond [64]int
			for _, a := range all {
				if n := len(f.asked[a]); n == 0 || n > 1 && (n > 2 || f.asked[a][1].Sub(f.asked[a][0]) != interval) {
					t.Fatalf("%v asked at %v in an interval", a, f.asked[a])
				}
				out[a] = time.Duration(f.asked[a][0].UnixNano()) % interval
				perSecond[out[a]/time.Second]++
			}
			mean := float64(len(all)) / 64
			for s, n := range perSecond {
				if math.Abs(float64(n)-mean) > 5*math.Sqrt(mean) {
					t.Errorf("second %d: %d checks, even would be %.0f", s, n, mean)
				}
			}
		})
		return out
	}
	before := phases(all, 0)
	for a, at := range phases(all[:5000], 12345678*time.Microsecond) {
		if before[a] != at {
			t.Fatalf("%v: at %v of the interval, after a restart at %v", a, before[a], at)
		}
	}
}
