package responder

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"
)

// census estimates how many clients ask, in 16 KB whatever their number: each
// sets a bit by its hash, and the bits that stay clear tell how many there were
// (linear counting, right within 1 % up to 200,000). There are two windows of
// 64 s, so that one is always full.
type census struct {
	seed    maphash.Seed
	windows [2][censusBits / 64]atomic.Uint64
	now     atomic.Uint32 // window that is written
	turned  time.Time
}

const (
	censusBits   = 1 << 16
	censusWindow = 64 * time.Second
)

func newCensus(now time.Time) *census { return &census{seed: maphash.MakeSeed(), turned: now} }

// turn begins a new window where the last one is over.
func (c *census) turn(now time.Time) {
	if now.Sub(c.turned) < censusWindow {
		return
	}
	next := 1 - c.now.Load()
	for i := range c.windows[next] {
		c.windows[next][i].Store(0)
	}
	c.now.Store(next)
	c.turned = now
}

// add counts client.
func (c *census) add(client netip.Addr) {
	key := client.As16()
	bit := maphash.Bytes(c.seed, key[:]) % censusBits
	word := &c.windows[c.now.Load()][bit/64]
	if mask := uint64(1) << (bit % 64); word.Load()&mask == 0 { // most are there already
		word.Or(mask)
	}
}

// count estimates how many there were in the last 64 to 128 s.
func (c *census) count() int {
	clear := 0
	for i := range c.windows[0] {
		clear += bits.OnesCount64(^(c.windows[0][i].Load() | c.windows[1][i].Load()))
	}
	return int(math.Round(censusBits * math.Log(censusBits/float64(max(clear, 1)))))
}
