// Package monitor measures the members and judges them.
//
//	Prober ── Sample ──> Board ── zones.Scores ──> (cmd) ──> resolver
//	                       │
//	                    History (bbolt): latest Row per address and vantage, samples over time
//
// The Prober owns the schedule and the sockets and keeps no verdicts. Judge and
// Next are pure: one Sample moves one score. The Board owns the latest Row of
// every (address, vantage) and folds them into Scores by pure functions.
// History is the one seam behind which state is kept; nothing else knows that
// it is bbolt.
//
// This is the only room that imports beevik/ntp. It never imports resolver.
package monitor
