// Package resolver decides who is offered where (Build) and answers queries
// from what was decided (Snapshot.Answer, Server).
//
// Build is a pure function of registry, atlas, scores and a seed. Its result,
// the Snapshot, never changes; Server swaps one pointer to it. What moves
// between two queries is one counter per deck and loop (Turns), which survives
// the swap.
//
// This is the only room that imports miekg/dns, which gives constants, packs
// static data and is the oracle in tests. Its server is not used: it starts a
// goroutine per query and accepts queries that must be refused. It never
// imports monitor.
package resolver
