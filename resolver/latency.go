package resolver

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the buckets of Latency.
var latencyBounds = [...]time.Duration{
	10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond,
}

// Latency is how long queries took from when they were read to when their
// replies were handed to the system. All of a batch count as long as the batch
// took, which costs one look at the clock for all and is never too little.
type Latency struct {
	Counts [len(latencyBounds) + 1]uint64 // queries that took as long as a bound or less, and more than that before
	Sum    time.Duration
}

// Buckets are the counts as Prometheus wants them: by upper bound in seconds,
// each with those before it.
func (l *Latency) Buckets() (buckets map[float64]uint64, count uint64) {
	buckets = map[float64]uint64{}
	for i, bound := range latencyBounds {
		count += l.Counts[i]
		buckets[bound.Seconds()] = count
	}
	return buckets, count + l.Counts[len(latencyBounds)]
}

// latency is one loop's part of it.
type latency struct {
	counts [len(latencyBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// observe counts queries that took so long together.
func (l *latency) observe(took time.Duration, queries int) {
	i := 0
	for i < len(latencyBounds) && took > latencyBounds[i] {
		i++
	}
	l.counts[i].Add(uint64(queries))
	l.sum.Add(int64(took) * int64(queries))
}

func (l *latency) addTo(sum *Latency) {
	for i := range l.counts {
		sum.Counts[i] += l.counts[i].Load()
	}
	sum.Sum += time.Duration(l.sum.Load())
}
