// Package monitor measures the members and judges them.
//
//	Prober ── Sample ──> Board ── zones.Scores ──> (cmd) ──> resolver
//	                       │
//	                    History (bbolt): latest Row per address and vantage, checks over time in chunks of a day
//
// The Prober owns the schedule and the sockets and keeps no verdicts. Judge and
// Next are pure: one Sample moves one score. The Board owns the latest Row of
// every (address, vantage) and folds them into Scores by pure functions.
// History is the one seam behind which state is kept; nothing else knows that
// it is bbolt.
//
// The decisions are values in, values out: Row.After (one check moves one
// Row), Merge (several vantages' Rows become one), Stand (in, out, or a last
// resort), and networkVote and clockVote, which say when this vantage is not to
// be trusted. Then the Board is frozen, as a whole or for one address family:
// checks are shown and move nothing, and nothing grows older. A check that is
// not good, and may be so by our own fault, waits until the others have spoken.
// Ages are read off the Board's own clock, which runs on the monotonic clock
// and stands still meanwhile; no wall clock is compared with another, but once,
// when the Rows of the last run are loaded.
//
// This is the only room that imports beevik/ntp. It never imports resolver.
package monitor
