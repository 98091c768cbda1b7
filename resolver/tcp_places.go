package resolver

import (
	"container/list"
	"io"
	"net/netip"
	"sync"
	"time"
)

// places bounds how many TCP connections are open, in all and from one source.
// Where all are taken, a newcomer gets that of the connection whose last query
// is longest ago: of its own source where that has its share, else of all. So
// nobody keeps others out by holding connections.
type places struct {
	limits            TCPLimits
	mu                sync.Mutex
	open              list.List          // of *place, the longest idle in front
	sources           map[netip.Addr]int // how many of them each has
	accepted, evicted uint64
	closed            bool
}

// place is one connection's.
type place struct {
	of     *places
	conn   io.Closer
	source netip.Addr
	last   time.Time     // it moved to the back
	at     *list.Element // of open; nil once it is given up
}

// often is how far apart queries must be to count as activity anew: among
// those evicted nobody minds the difference, and a busy connection pays once.
const often = 50 * time.Millisecond

// source is what is counted as one client: an IPv4 address, an IPv6 /64.
func source(client netip.Addr) netip.Addr {
	if client.Is6() {
		p, _ := client.WithZone("").Prefix(64)
		return p.Addr()
	}
	return client
}

// admit gives a connection a place; nil when the server has closed.
func (c *places) admit(conn io.Closer, client netip.Addr) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.sources == nil {
		c.sources = map[netip.Addr]int{}
	}
	p := &place{of: c, conn: conn, source: source(client)}
	if own := c.sources[p.source] >= c.limits.PerSource; own || c.open.Len() >= c.limits.Connections {
		longest := c.open.Front()
		for own && longest.Value.(*place).source != p.source {
			longest = longest.Next()
		}
		longest.Value.(*place).close()
		c.evicted++
	}
	p.at = c.open.PushBack(p)
	c.sources[p.source]++
	c.accepted++
	return p
}

// close closes the connection and gives the place up; mu is held. The
// connection is the socket itself, whose closing waits for nobody.
func (p *place) close() {
	if p.at == nil {
		return
	}
	p.conn.Close()
	p.of.open.Remove(p.at)
	p.at = nil
	if p.of.sources[p.source]--; p.of.sources[p.source] == 0 {
		delete(p.of.sources, p.source)
	}
}

// leave closes the connection, if that was not done yet.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.close()
}

// active says that the connection is in use, and returns for how long it may be
// idle from now on: the limit while half of the places are free, from there
// evenly less down to a tenth when all are taken (RFC 7766 section 6.2.3).
func (p *place) active(now time.Time) time.Duration {
	c := p.of
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(p.last) > often && p.at != nil {
		p.last = now
		c.open.MoveToBack(p.at)
	}
	over := max(0, 2*c.open.Len()-c.limits.Connections)
	return c.limits.Idle - c.limits.Idle*9/10*time.Duration(over)/time.Duration(c.limits.Connections)
}

// close closes all connections and admits no more.
func (c *places) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.open.Len() > 0 {
		c.open.Front().Value.(*place).close()
	}
}

func (c *places) counted() (accepted, evicted uint64, open int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.evicted, c.open.Len()
}
