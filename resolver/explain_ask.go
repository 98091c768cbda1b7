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
// question was for one: _why below a pool name, _status below an apex, members
// below its _member. They stand in no table and are made while the client waits;
// for every other name this costs one look for an underscore.
//
// Who may not know is refused, whatever is there.
func (s *Snapshot) tell(r *reply, q *query, client netip.Addr) bool {
	owner := q.name[:q.nameLen]
	if bytes.IndexByte(owner, '_') < 0 {
		return false
	}
	apex := s.apexOf(owner)
	if apex < 0 {
		return false
	}
	below := dotted(string(owner[:len(owner)-len(s.apexes[apex].wire)]) + "\x00")
	member, isMember := strings.CutSuffix("."+below, "._member")
	explained := s.names[string(owner[1+owner[0]:])]
	why := bytes.HasPrefix(owner, []byte("\x04_why")) && explained != nil && explained.pool
	if !why && !isMember && below != "_status" {
		return false
	}
	if !s.mayKnow(client) {
		r.refuse(ede{dns.ExtendedErrorCodeProhibited, "only for the networks in zone.debug"})
		return true
	}
	var told []string // nil: nothing is there
	scope := 0
	switch {
	case why:
		e := s.explain(client, netip.PrefixFrom(q.edns.subnet.addr, int(q.edns.subnet.source)), string(owner[1+owner[0]:]), explained)
		told, scope = e.Lines(mostLines), e.Scope
	case isMember:
		told = s.memberLines(member)
	default:
		told = s.statusLines()
	}
	if told == nil {
		return false
	}
	r.apex = &s.apexes[apex]
	switch {
	case q.qtype == dns.TypeTXT && len(told) > 0:
		r.scope = uint8(scope)
		r.answered(appendTXT(r.buf, dns.ClassINET, told), len(told))
	case q.qtype == dns.TypeANY && len(told) > 0:
		r.answered(append(r.buf, hinfo...), 1)
	default:
		r.negative(q, dns.RcodeSuccess, NoData)
	}
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
		fmt.Sprintf("up %s, since %s", time.Since(o.Started).Round(time.Second), o.Started.UTC().Format(time.RFC3339)),
	}
	for _, l := range s.stats.Resort {
		lines = append(lines, "last resort: "+l.String())
	}
	for _, l := range s.stats.Empty {
		lines = append(lines, "nobody: "+l.String())
	}
	return lines
}

// memberLines says state and scores of the member with that name, which begins
// with a dot. It is empty for a name on the way to others, nil for one that is
// nobody's.
func (s *Snapshot) memberLines(name string) (lines []string) {
	for i := range s.ground.registry.Members {
		m := &s.ground.registry.Members[i]
		if lines == nil && strings.HasSuffix(m.Name, name) {
			lines = []string{}
		}
		if "."+m.Name != name {
			continue
		}
		lines = append(lines, because(fmt.Sprintf("state %s, %s, netspeed %d",
			m.State, siteName(s.ground.spots[s.ground.spot[i]].Site), m.Netspeed), m.Reason))
		for _, a := range m.Addresses {
			if s.made.Tell != nil {
				lines = append(lines, s.made.Tell(a)...)
			}
		}
	}
	return lines
}
