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

// drift is how much two clocks may part in a second and still be good.
const drift = 15e-6

// Truth returns what the fresh answers of the hosts say of one another.
func (b *Board) Truth() Truth {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ws []witness
	now, index := b.o.Now(), map[int]int{} // by host
	for i := range b.hosts {
		if s, at := b.speaks(i, now); s != nil {
			index[i] = len(ws)
			slack := claimSlack + time.Duration(drift*float64(now.Sub(at)))
			ws = append(ws, witness{b.hosts[i].name, s.Offset, max(0, s.RootDistance) + slack, s.Leap, s.Stratum, s.RefID, -1, b.hosts[i].smears && b.smearing(s.Time)})
		}
	}
	for i := range ws {
		if host, ok := b.refids[ws[i].refid]; ok && ws[i].stratum > 1 {
			if j, heard := index[host]; heard && j != i {
				ws[i].follows = j
			}
		}
	}
	return weigh(ws)
}

// speaks returns the fresh valid answer of a host with the smallest root
// distance, and when it came; nil for none.
func (b *Board) speaks(host int, now time.Time) (best *Sample, at time.Time) {
	for _, a := range b.hosts[host].addrs {
		e := b.find(Key{a, b.o.Vantage})
		if e == nil || !b.isFresh(e, now) || !valid(&e.row.Sample) || b.hosts[host].paused {
			continue
		}
		if best == nil || e.row.RootDistance < best.RootDistance {
			best, at = &e.row.Sample, e.heard
		}
	}
	return best, at
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
		path = append(path, b.hosts[up].name)
		next, _ = b.speaks(up, now)
	}
	return ""
}
