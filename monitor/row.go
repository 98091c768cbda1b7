package monitor

import (
	"net/netip"
	"time"
)

// Row is the latest state of one address as one vantage sees it. Rows are what
// survives a restart and, on several machines, what vantages share.
type Row struct {
	Sample         // the last check
	Score  float64 // −100 … 20, after Sample
	Step   float64 // what Sample added; 0 when Unmeasured or Frozen
	Why    string  // Judge's one line about Sample
	Good   bool    // Step ≥ 0.5
	Frozen bool    // Sample was taken while this vantage did not trust itself

	Checks  int       // checks that moved the score, ever
	Bad     int       // of those, the ones that were not Good
	Missed  int       // Silent checks in a row, up to now
	Wrong   bool      // the last Answered check was not Good: measured wrong
	Reached bool      // Score has been ≥ 10 once, so the address left its probation
	In      bool      // this vantage's own verdict: eligible by score
	Since   time.Time // when In last changed
}

// Key names a Row.
type Key struct {
	Addr    netip.Addr
	Vantage string
}

// Earning reports whether the address is on probation and doing well: never
// yet at 10, and every check so far good. The Prober checks such an address
// every 8 s with one sample, so that earning in takes two minutes.
func (r Row) Earning() bool { return !r.Reached && r.Bad == 0 }
