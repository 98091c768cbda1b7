package resolver

import (
	"fmt"

	"github.com/timepool/timepool/zones"
)

// cut is where a delegation begins. Nothing is in Snapshot.names below it.
type cut struct {
	ns rrset // extra: glue, and what else is known of the name servers
	ds rrset // of count 0 when there is none
}

// delegate adds a delegation below the zone.
func (s *Snapshot) delegate(d *zones.Delegation, zone string) error {
	wire, err := wireName(d.Name + "." + zone)
	if err != nil {
		return err
	}
	ttl := seconds(d.TTL)
	c := &cut{}
	if c.ns, err = newSet(wire, ttl, servers(d.Nameservers)); err != nil {
		return err
	}
	for _, server := range d.Nameservers {
		host, err := wireName(server.Name)
		if err != nil {
			return err
		}
		glue := zones.Record{Addresses: server.Addresses}
		more, err := sets(host, ttl, glue.RRs())
		if err != nil {
			return err
		}
		c.ns.extra = append(c.ns.extra, more...)
	}
	c.ns.must = len(c.ns.extra)
	var lines []string
	for _, ds := range d.DS {
		lines = append(lines, fmt.Sprintf("DS %s", ds))
	}
	if c.ds, err = newSet(wire, ttl, lines); err != nil {
		return err
	}
	c.ds.seal()
	s.at(wire, 0).cut = c
	return nil
}

// refer points to a delegation's name servers (RFC 1034 section 4.3.2). Glue
// for those inside it that does not fit means TC (RFC 9471 section 3.1).
func (r *reply) refer(p *packer, c *cut) {
	aa := r.buf[r.base+2] & flagAA // a CNAME before it is ours
	whole := r.add(p, c.ns.owner, &c.ns, authorities, Referred)
	for i := 0; whole && i < c.ns.must; i++ {
		whole = r.add(p, c.ns.extra[i].owner, &c.ns.extra[i], additionals, Referred)
	}
	if whole {
		r.beside(p, c.ns.extra[c.ns.must:])
	}
	r.buf[r.base+2] = r.buf[r.base+2]&^flagAA | aa
}

// add appends an RRset, and reports whether it fitted.
func (r *reply) add(p *packer, owner []byte, set *rrset, section int, v Verdict) bool {
	p.buf = r.buf
	p.set(owner, set)
	r.settle(p.buf, section, int(set.count), r.rcode, v)
	return r.verdict != Truncated
}

// beside appends to the additional section as many of the sets as fit.
func (r *reply) beside(p *packer, extra []rrset) {
	for i := range extra {
		p.buf = r.buf
		if p.set(extra[i].owner, &extra[i]); len(p.buf) > r.limit {
			return
		}
		r.buf = p.buf
		r.counted(additionals, int(extra[i].count))
	}
}
