package resolver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// What the SOA says (RFC 1035 section 3.3.13, RFC 1912 section 2.2), in
// seconds. The minimum is the zone's negative TTL.
const (
	staticTTL  = 3600 // of SOA, NS and the name servers' addresses; every set has one
	soaRefresh = 4 * 3600
	soaRetry   = 3600
	soaExpire  = 14 * 24 * 3600
)

// addStatic sets the apexes (zone.name, then zone.also in their order), and
// adds to names what stands there beside the pool: SOA and NS at each apex, the
// addresses of name servers below one, the registry's records below each, its
// delegations, and the empty non-terminals between (RFC 4592 section 2.2.2).
// Names that are there already keep their decks.
func (s *Snapshot) addStatic(r *zones.Registry) error {
	if s.names == nil {
		s.names = map[string]*name{}
	}
	s.apexes = nil
	all := append([]string{r.Zone.Name}, r.Zone.Also...)
	for _, zone := range all {
		wire, err := wireName(zone)
		if err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
		s.apexes = append(s.apexes, apex{wire: wire})
	}
	for _, ns := range r.Zone.Nameservers {
		host := zones.Record{Addresses: ns.Addresses}
		if err := s.put(ns.Name, staticTTL, host.RRs()); err != nil {
			return fmt.Errorf("nameserver %s: %w", ns.Name, err)
		}
	}
	for i, zone := range all {
		if err := s.addApex(i, zone, &r.Zone); err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
		for j := range r.Records {
			record := &r.Records[j]
			owner := strings.TrimPrefix(record.Name+"."+zone, "@.")
			if err := s.put(owner, seconds(record.TTL), record.RRs()); err != nil {
				return fmt.Errorf("record %s: %w", owner, err)
			}
		}
	}
	for i := range r.Delegations {
		if err := s.delegate(&r.Delegations[i], r.Zone.Name); err != nil {
			return fmt.Errorf("delegation %s: %w", r.Delegations[i].Name, err)
		}
	}
	return s.seal()
}

// addApex adds SOA and NS, the same in every served zone but for the owner.
func (s *Snapshot) addApex(i int, zone string, z *zones.Zone) error {
	minimum := uint32(z.NegativeTTL / time.Second)
	soa := fmt.Sprintf("SOA %s %s %d %d %d %d %d", dns.Fqdn(z.Nameservers[0].Name), mailbox(z.Contact, z.Name),
		s.Serial, soaRefresh, soaRetry, soaExpire, minimum)
	lines := append([]string{soa}, servers(z.Nameservers)...)
	if err := s.put(zone, staticTTL, lines); err != nil {
		return err
	}
	a := &s.apexes[i]
	negative, err := sets(zone, min(staticTTL, minimum), lines[:1])
	if err != nil {
		return err
	}
	a.soa = negative[0]
	err = a.soa.seal()
	a.pointers = soaPointers(a.soa.wire)
	return err
}

// cut is where a delegation begins. Nothing is in Snapshot.names below it.
type cut struct {
	ns rrset // extra: glue, and what else is known of the name servers
	ds rrset // of count 0 when there is none
}

// delegate adds a delegation below the zone.
func (s *Snapshot) delegate(d *zones.Delegation, zone string) error {
	owner, ttl := d.Name+"."+zone, seconds(d.TTL)
	wire, err := wireName(owner)
	if err != nil {
		return err
	}
	lines := servers(d.Nameservers)
	for _, ds := range d.DS {
		lines = append(lines, fmt.Sprintf("DS %s", ds))
	}
	own, err := sets(owner, ttl, lines)
	if err != nil {
		return err
	}
	c := &cut{ns: own[0]}
	if len(own) > 1 {
		c.ds = own[1]
		if err := c.ds.seal(); err != nil {
			return err
		}
	}
	for _, server := range d.Nameservers {
		host := zones.Record{Addresses: server.Addresses}
		glue, err := sets(server.Name, ttl, host.RRs())
		if err != nil {
			return err
		}
		c.ns.extra = append(c.ns.extra, glue...)
	}
	c.ns.must = len(c.ns.extra)
	s.at(wire, 0).cut = c
	return nil
}

// servers returns the NS records.
func servers(list []zones.Nameserver) (lines []string) {
	for _, server := range list {
		lines = append(lines, "NS "+dns.Fqdn(server.Name))
	}
	return lines
}

// put adds lines of a zone file, type and data, at a name, which is left out
// when it is below no apex.
func (s *Snapshot) put(owner string, ttl uint32, lines []string) error {
	wire, err := wireName(owner)
	if err != nil {
		return err
	}
	apex := s.apexOf([]byte(wire))
	if apex < 0 {
		return nil
	}
	n := s.at(wire, apex)
	more, err := sets(owner, ttl, lines)
	n.static = append(n.static, more...)
	return err
}

// seal packs all sets, once all that may be beside them is there: the addresses
// that NS, MX and SRV records point to.
func (s *Snapshot) seal() error {
	for _, n := range s.names {
		for i := range n.static {
			set := &n.static[i]
			if set.rrtype != dns.TypeCNAME {
				s.accompany(set)
			}
			if err := set.seal(); err != nil {
				return err
			}
		}
		if n.cut != nil {
			s.accompany(&n.cut.ns)
		}
	}
	return nil
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
