package resolver

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// tell answers for the names that explain the others, and reports whether the
// question was for one: _why below a pool name, _status below an apex, _member
// there and members below it. They stand in no table and are made while the
// client waits; for every other name this costs one look for an underscore.
//
// Who may not know is refused, whatever is there.
func (s *Snapshot) tell(r *reply, q *query, client netip.Addr) bool {
	if bytes.IndexByte(q.name[:q.nameLen], '_') < 0 {
		return false
	}
	wire := string(q.name[:q.nameLen])
	a := s.apexOf(wire)
	if a < 0 {
		return false
	}
	above, below := wire[1+wire[0]:], dotted(wire[:len(wire)-len(s.apexes[a].wire)]+"\x00")
	var lines func() []string // nil: nothing is there
	switch explained := s.names[above]; {
	case strings.HasPrefix(wire, "\x04_why") && explained != nil && explained.pool:
		lines = func() []string { return s.why(r, q, client, above, explained) }
	case below == "_status":
		lines = s.statusLines
	case below == "_member":
		lines = s.summary
	case strings.HasSuffix(below, "._member"):
		lines = func() []string { return s.memberLines(strings.TrimSuffix(below, "._member")) }
	default:
		return false
	}
	if !s.mayKnow(client) {
		r.refuse(ede{dns.ExtendedErrorCodeProhibited, "only for the networks in zone.debug"})
		return true
	}
	told := lines()
	if told == nil {
		return false
	}
	r.apex = &s.apexes[a]
	switch {
	case q.qtype == dns.TypeTXT && len(told) > 0:
		r.answered(appendTXT(r.buf, dns.ClassINET, told), len(told))
		return true
	case q.qtype == dns.TypeANY && len(told) > 0:
		r.answered(append(r.buf, hinfo...), 1)
	default:
		r.negative(q, dns.RcodeSuccess, NoData)
	}
	r.scope = 0
	return true
}

// mayKnow reports whether the sender is in zone.debug, or without it on this
// host or in a site's network.
func (s *Snapshot) mayKnow(client netip.Addr) bool {
	contains := func(p netip.Prefix) bool { return p.Contains(client) }
	if debug := s.ground.registry.Zone.Debug; debug != nil {
		return slices.ContainsFunc(debug, contains)
	}
	return client.IsLoopback() || slices.ContainsFunc(s.ground.registry.Sites, func(site zones.Site) bool {
		return slices.ContainsFunc(site.Networks, contains)
	})
}

// why explains the name to who asks about it, under the scope of its answer.
func (s *Snapshot) why(r *reply, q *query, client netip.Addr, wire string, n *name) []string {
	e := s.explain(client, netip.PrefixFrom(q.edns.subnet.addr, int(q.edns.subnet.source)), wire, n)
	r.scope = uint8(e.Scope)
	return e.Lines()
}

// appendTXT appends one TXT record a line, TTL 0, each cut into strings of 255
// octets at most (RFC 1035 section 3.3).
func appendTXT(dst []byte, class byte, lines []string) []byte {
	for _, line := range lines {
		dst = append(dst, 0xC0, 0x0C, 0, byte(dns.TypeTXT), 0, class, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(line)+(len(line)+254)/255))
		for len(line) > 0 {
			n := min(len(line), 255)
			dst = append(append(dst, byte(n)), line[:n]...)
			line = line[n:]
		}
	}
	return dst
}

// statusLines says what is in force.
func (s *Snapshot) statusLines() []string {
	o, r := &s.made, s.ground.registry
	lines := []string{
		fmt.Sprintf("version %s", o.Version),
		fmt.Sprintf("generation %d, serial %d, registry %s", o.Generation, s.Serial, hex.EncodeToString(r.Digest[:8])),
		fmt.Sprintf("up %s, since %s", time.Since(o.Started).Round(time.Second), stamp(o.Started)),
	}
	for _, l := range s.stats.Resort {
		lines = append(lines, "last resort: "+l.String())
	}
	for _, l := range s.stats.Empty {
		lines = append(lines, "nobody: "+l.String())
	}
	return lines
}

// summary counts members by what is thought of them, and names who is not in.
func (s *Snapshot) summary() []string {
	var counts [3]int
	var lines []string
	for i := range s.ground.registry.Members {
		m := &s.ground.registry.Members[i]
		for _, a := range m.Addresses {
			score := s.scores[a.Unmap()]
			if !m.Servable() {
				score.Standing = zones.Out
			}
			counts[score.Standing]++
			if score.Standing != zones.In && len(lines) < mostLines {
				lines = append(lines, fmt.Sprintf("%s %s: %s", m.Name, a, s.absence(m, a.Unmap())))
			}
		}
	}
	head := fmt.Sprintf("%d addresses: %d in, %d last resort, %d out", counts[0]+counts[1]+counts[2], counts[zones.In], counts[zones.Resort], counts[zones.Out])
	return append([]string{head}, lines...)
}

// memberLines says state and scores of the member with that name. It is empty
// for a name on the way to others, nil for one that is nobody's.
func (s *Snapshot) memberLines(name string) (lines []string) {
	for i := range s.ground.registry.Members {
		m := &s.ground.registry.Members[i]
		if lines == nil && strings.HasSuffix(m.Name, "."+name) {
			lines = []string{}
		}
		if m.Name != name {
			continue
		}
		lines = append(lines, because(fmt.Sprintf("state %s, %s, netspeed %d",
			m.State, siteName(s.ground.spots[s.ground.spot[i]].Site), m.Netspeed), m.Reason))
		for _, a := range m.Addresses {
			if s.made.Tell != nil {
				lines = append(lines, s.made.Tell(a)...)
				continue
			}
			score := s.scores[a.Unmap()]
			lines = append(lines, because(fmt.Sprintf("%s %s, score %.1f, since %s",
				a, standings[score.Standing], score.Value, stamp(score.Since)), score.Why))
		}
	}
	return lines
}

var standings = [...]string{zones.Out: "out", zones.Resort: "last resort", zones.In: "in"}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "ever"
	}
	return t.UTC().Format(time.RFC3339)
}
