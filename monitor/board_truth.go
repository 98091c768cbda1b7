package monitor

import (
	"crypto/md5"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// refIDOf returns the reference identifier by which others name a source they
// follow (RFC 5905 §7.3); 0 for loopback, which names nobody.
func refIDOf(a netip.Addr) uint32 {
	switch a = a.Unmap(); {
	case a.IsLoopback():
		return 0
	case a.Is4():
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	sum := md5.Sum(a.AsSlice())
	return binary.BigEndian.Uint32(sum[:])
}

// Truth returns what the fresh answers of the hosts say of one another.
func (b *Board) Truth() Truth {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now()
	return weigh(b.voters(now), b.refids, now, b.o.Smeared != nil && b.o.Smeared(b.o.Wall(), 0) != 0)
}

// loop tells of a sample whose member hangs on itself, by way of other members
// or directly; "" when it does not.
func (b *Board) loop(s *Sample, host int, now time.Time) string {
	var path []string
	for next := s; next != nil && next.Stratum > 1 && len(path) < 8; {
		up, ok := b.refids[next.RefID]
		switch {
		case !ok:
			return ""
		case up == host && path == nil:
			return "follows itself"
		case up == host:
			return "follows " + strings.Join(path, ", which follows ") + ", which follows it"
		}
		path = append(path, b.hosts[up].Name)
		next = b.voter(up, now).best
	}
	return ""
}
