package resolver

import (
	"cmp"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls do(0) … do(n−1) on so many goroutines and returns when all are
// done. 0 goroutines means as many as the scheduler has processors.
func parallel(goroutines, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, cmp.Or(goroutines, runtime.GOMAXPROCS(0))) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
