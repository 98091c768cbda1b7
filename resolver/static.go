package resolver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// staticTTL is that of SOA, NS and the name servers' addresses.
const staticTTL = time.Hour

// What the SOA says (RFC 1035 section 3.3.13, RFC 1912 section 2.2), in
// seconds. The minimum is the zone's negative TTL.
const (
	soaRefresh = 4 * 3600
	soaRetry   = 3600
	soaExpire  = 14 * 24 * 3600
)

// addStatic sets the apexes (zone.name, then zone.also in their order), and
// adds to names what stands there beside the pool: SOA and NS at each apex, the
// addresses of name servers below one, the registry's records below each, its
// delegations, and the empty non-terminals between (RFC 4592 section 2.2.2).
// Names that are there already keep their decks.
func (s *Snapshot) addStatic(r *zones.Registry) (err error) {
	z := &r.Zone
	put := func(kind, owner string, ttl time.Duration, lines []string) {
		if fault := s.put(owner, seconds(ttl), lines); fault != nil && err == nil {
			err = fmt.Errorf("%s %s: %w", kind, owner, fault)
		}
	}
	hosts := func(list []zones.Nameserver, ttl time.Duration) {
		for _, server := range list {
			host := zones.Record{Addresses: server.Addresses}
			put("nameserver", server.Name, ttl, host.RRs())
		}
	}
	if s.names == nil {
		s.names = map[string]*name{}
	}
	s.apexes = nil
	for _, zone := range append([]string{z.Name}, z.Also...) {
		wire, fault := wireName(zone)
		if fault != nil {
			return fmt.Errorf("zone %s: %w", zone, fault)
		}
		s.apexes = append(s.apexes, apex{wire: wire})
		s.at(wire, len(s.apexes)-1)
	}
	hosts(z.Nameservers, staticTTL)
	for i := range s.apexes {
		zone := dotted(s.apexes[i].wire)
		soa := fmt.Sprintf("SOA %s %s %d %d %d %d %d", dns.Fqdn(z.Nameservers[0].Name), mailbox(z.Contact, z.Name),
			s.Serial, soaRefresh, soaRetry, soaExpire, z.NegativeTTL/time.Second)
		put("zone", zone, staticTTL, append([]string{soa}, servers(z.Nameservers)...))
		for j := range r.Records {
			record := &r.Records[j]
			put("record", strings.TrimPrefix(record.Name+"."+zone, "@."), record.TTL, record.RRs())
		}
	}
	for _, d := range r.Delegations {
		lines := servers(d.Nameservers)
		for _, ds := range d.DS {
			lines = append(lines, "DS "+ds.String())
		}
		put("delegation", d.Name+"."+z.Name, d.TTL, lines)
		hosts(d.Nameservers, d.TTL)
	}
	if err != nil {
		return err
	}
	return s.seal()
}

// servers returns the NS records.
func servers(list []zones.Nameserver) (lines []string) {
	for _, server := range list {
		lines = append(lines, "NS "+dns.Fqdn(server.Name))
	}
	return lines
}

// cut is where a delegation begins. Nothing is in Snapshot.names below it.
type cut struct {
	ns rrset // extra: glue, and what else is known of the name servers
	ds rrset // of count 0 when there is none
}

// put adds lines of a zone file, type and data, at a name: what is below no apex
// is left out, NS records below one delegate (DS records may come with them), and
// what is below those is glue.
func (s *Snapshot) put(owner string, ttl uint32, lines []string) error {
	wire, err := wireName(owner)
	if err != nil {
		return err
	}
	more, err := sets(owner, ttl, lines)
	apex := s.apexOf([]byte(wire))
	if err != nil || apex < 0 || len(more) == 0 {
		return err
	}
	if n := s.find([]byte(wire), &s.apexes[apex]); n != nil && n.cut != nil {
		n.cut.ns.extra = append(n.cut.ns.extra, more...)
		n.cut.ns.must = len(n.cut.ns.extra)
		return nil
	}
	n := s.at(wire, apex)
	if more[0].rrtype != dns.TypeNS || wire == s.apexes[apex].wire {
		n.static = append(n.static, more...)
		return nil
	}
	n.cut = &cut{ns: more[0]}
	if len(more) > 1 {
		n.cut.ds = more[1]
	}
	return nil
}

// seal packs all sets, once all that may be beside them is there: the addresses
// that NS, MX and SRV records point to.
func (s *Snapshot) seal() (err error) {
	pack := func(set *rrset) {
		if fault := set.seal(); err == nil {
			err = fault
		}
	}
	for _, n := range s.names {
		for i := range n.static {
			s.accompany(&n.static[i])
			pack(&n.static[i])
		}
		if n.cut != nil {
			s.accompany(&n.cut.ns)
		}
	}
	for i := range s.apexes {
		a := &s.apexes[i]
		soa := dns.Copy(s.names[a.wire].set(dns.TypeSOA).rrs[0]).(*dns.SOA)
		soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
		a.soa = rrset{rrtype: dns.TypeSOA, count: 1, owner: soa.Hdr.Name, rrs: []dns.RR{soa}}
		pack(&a.soa)
		a.pointers = soaPointers(a.soa.wire)
	}
	return err
}

// accompany adds the addresses of a set's targets to its extra, each once.
func (s *Snapshot) accompany(set *rrset) {
	for _, rr := range set.rrs {
		owner := target(rr)
		wire, err := wireName(owner)
		known := func(e rrset) bool { return e.owner == owner }
		if owner == "" || err != nil || slices.ContainsFunc(set.extra, known) {
			continue
		}
		apex := s.apexOf([]byte(wire))
		if apex < 0 {
			continue
		}
		n := s.find([]byte(wire), &s.apexes[apex])
		if n == nil || n.cut != nil {
			continue
		}
		for _, a := range n.static {
			if a.rrtype == dns.TypeA || a.rrtype == dns.TypeAAAA {
				set.extra = append(set.extra, rrset{rrtype: a.rrtype, count: a.count, owner: owner, rrs: a.rrs})
			}
		}
	}
}

// set returns the RRset of that type at the name, nil when there is none.
func (n *name) set(rrtype uint16) *rrset {
	for i := range n.static {
		if n.static[i].rrtype == rrtype {
			return &n.static[i]
		}
	}
	return nil
}

// at returns what stands at the owner name, made when nothing does, with the
// empty non-terminals above it.
func (s *Snapshot) at(wire string, apex int) *name {
	n := s.names[wire]
	if n == nil {
		n = &name{apex: apex}
		s.names[wire] = n
		if up := wire[1+wire[0]:]; len(wire) > len(s.apexes[apex].wire) {
			above := s.at(up, apex)
			if strings.HasPrefix(wire, "\x01*") {
				above.wild = n
			}
		}
	}
	return n
}

// apexOf returns the index of the nearest apex at or above the name, −1 if
// there is none.
func (s *Snapshot) apexOf(wire []byte) int {
	for up := wire; ; up = up[1+up[0]:] {
		for i := range s.apexes {
			if s.apexes[i].wire == string(up) {
				return i
			}
		}
		if up[0] == 0 {
			return -1
		}
	}
}

// soaPointers returns where the three names of a packed SOA end in a
// compression pointer.
func soaPointers(rr []byte) (at []int) {
	off := 0
	for _, fixed := range []int{10, 0, 0} { // octets behind the owner, MNAME, RNAME
		for rr[off] != 0 && rr[off] < 0xC0 {
			off += 1 + int(rr[off])
		}
		if rr[off] != 0 {
			at = append(at, off)
			off++
		}
		off += 1 + fixed
	}
	return at
}

// mailbox turns the contact's address into an SOA's RNAME, the dots before the
// @ escaped (RFC 1035 section 8); none means hostmaster of the zone.
func mailbox(contact, zone string) string {
	if contact == "" {
		contact = "hostmaster@" + zone
	}
	local, domain, ok := strings.Cut(contact, "@")
	if !ok {
		return dns.Fqdn(contact)
	}
	return strings.NewReplacer(".", `\.`, `\`, `\\`).Replace(local) + "." + dns.Fqdn(domain)
}
