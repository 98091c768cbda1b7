package resolver

import (
	"sync/atomic"
	"time"
)

// Verdict is what became of one query. Each is one counter.
type Verdict uint8

// The verdicts. A truncated reply is Truncated whatever it would have said.
const (
	Dropped     Verdict = iota // no reply: a response, under 12 octets, or over 4 KiB by UDP
	Answered                   // NOERROR with records
	NoData                     // NOERROR without records: the name exists
	NXDomain                   // the name does not exist
	Truncated                  // TC: what was asked for does not fit
	Refused                    // outside the zones, another class, NOTIFY, UPDATE, transfers
	ServFail                   // a pool name with nobody to hand out
	FormErr                    // malformed (RFC 1035 section 4, RFC 6891, RFC 7871)
	NotImp                     // an opcode nobody here knows
	BadVers                    // an EDNS version above 0
	Referred                   // NOERROR with a delegation's name servers
	NotAuth                    // not rightly signed (RFC 8945), or a transfer of what is no zone here
	Transferred                // a zone copied to a secondary
	Unready                    // no reply: nothing was published yet
	Panicked                   // no reply: a bug of ours, caught
	Denied                     // no reply: from a network in Limits.Deny
	Limited                    // no reply: over the rate
	Slipped                    // over the rate: TC, or BADCOOKIE with a cookie
)

// Verdicts is how many there are; they are numbered from 0.
const Verdicts = int(Slipped) + 1

// String returns the verdict in lower case, as metrics name it.
func (v Verdict) String() string {
	return [Verdicts]string{
		"dropped", "answered", "nodata", "nxdomain", "truncated", "refused",
		"servfail", "formerr", "notimp", "badvers", "referred", "notauth", "transferred", "unready", "panicked",
		"denied", "limited", "slipped",
	}[v]
}

// tally counts verdicts. Each loop has its own, far enough from the next that
// two loops never write to one cache line; readers add them up.
type tally struct {
	n [Verdicts]atomic.Uint64
	_ [64]byte
}

func (t *tally) count(v Verdict) { t.n[v].Add(1) }

func (t *tally) addTo(sum *[Verdicts]uint64) {
	for v := range t.n {
		sum[v] += t.n[v].Load()
	}
}

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
