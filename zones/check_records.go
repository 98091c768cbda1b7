package zones

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/timepool/timepool/zones/strict"
)

// maxSet bounds what the records of one entry have as text, so that each set
// fits into one message (RFC 1035 section 4.2.2).
const maxSet = 32 << 10

// records holds what stands beside the pool against RFC 1034 section 3.6.2, RFC
// 2181 and what is delegated. Whose name is taken is for names to say.
func (c *checker) records() {
	doc := c.docs[0]
	first := make(map[[2]string]int) // by owner and type: the entry
	for i := range c.r.Records {
		r := &c.r.Records[i]
		lines := r.RRs()
		if len(lines) == 0 && !doc.Broken("records", i) {
			doc.Fault("has no data: wants addresses, cname, txt, mx, srv, caa or ptr", "records", i)
		}
		c.wholeSeconds(r.TTL, "records", i, "ttl")
		c.below(r.Name, "records", i, "name")
		c.data(r, i)
		size := 0
		for n, line := range lines {
			kind, _, _ := strings.Cut(line, " ")
			size += len(line)
			if entry, ok := first[[2]string{r.Name, kind}]; !ok {
				first[[2]string{r.Name, kind}] = i
			} else if entry != i {
				doc.Fault(fmt.Sprintf("%s of %s stands at %s as well: a set has one TTL, so it stands in one entry", kind, strict.Quote(r.Name), doc.Line("records", entry)), "records", i)
			} else if kind != "A" && kind != "AAAA" && slices.Contains(lines[:n], line) { // addresses are told where they stand
				doc.Fault("duplicate record "+line, "records", i)
			}
			if r.Name == "@" && (kind == "A" || kind == "AAAA" || kind == "CNAME") {
				doc.Fault("the zone's own addresses are the pool's: no "+kind+" here", "records", i)
			}
		}
		if size > maxSet {
			doc.Fault(fmt.Sprintf("has %d characters, one message takes %d", size, maxSet), "records", i)
		}
	}
	for at, entry := range first {
		if other, ok := first[[2]string{at[0], "CNAME"}]; ok && at[1] != "CNAME" {
			doc.Fault(fmt.Sprintf("a CNAME stands alone, and there is %s of %s at %s", at[1], strict.Quote(at[0]), doc.Line("records", entry)), "records", other)
		}
	}
}

// data reports values that no type can forbid.
func (c *checker) data(r *Record, i int) {
	doc := c.docs[0]
	c.addresses(r.Addresses, "records", i, "addresses")
	for j, m := range r.MX {
		if m.Host == "." && (len(r.MX) > 1 || m.Preference != 0) {
			doc.Fault("says that nobody takes mail, and so stands alone with preference 0 (RFC 7505)", "records", i, "mx", j)
		}
	}
}

// below reports a static name that is too long under some apex, or that other
// name servers answer for.
func (c *checker) below(name string, path ...any) {
	doc := c.docs[0]
	for _, apex := range c.r.Zone.apexes() {
		if n := len(name) + 1 + len(apex); n > maxName {
			doc.Fault(fmt.Sprintf("is too long: below %s it would have %d of %d characters", strict.Quote(apex), n, maxName), path...)
			break
		}
	}
	for _, d := range c.r.Delegations {
		if within(name, d.Name) && !(path[0] == "delegations" && name == d.Name) {
			doc.Fault(fmt.Sprintf("lies in the delegation %s (%s), for which its own name servers answer", d.Name, doc.Line("delegations", d.Name)), path...)
		}
	}
}

// delegations holds each against the others, and its glue.
func (c *checker) delegations() {
	for i := range c.r.Delegations {
		d := &c.r.Delegations[i]
		at := []any{"delegations", d.Name}
		c.wholeSeconds(d.TTL, append(at, "ttl")...)
		c.below(d.Name, at...)
		for j := range d.Nameservers {
			n := &d.Nameservers[j]
			c.glue(n, within(n.Name, d.Name+"."+c.r.Zone.Name), "below the delegation", append(at, "nameservers", n.Name)...)
		}
	}
}

// glue holds the addresses of a name server against whether it is in what it
// serves.
func (c *checker) glue(n *Nameserver, inside bool, where string, at ...any) {
	doc := c.docs[0]
	c.addresses(n.Addresses, at...)
	switch {
	case !inside && len(n.Addresses) > 0:
		doc.Warn("is not "+where+": its addresses are somebody else's to give, and are left out", at...)
		n.Addresses = nil
	case inside && len(n.Addresses) == 0 && !doc.Broken(at...):
		doc.Fault("has no address (glue), and nobody can find it without: it is "+where+" itself", at...)
	}
}

// addresses reports those that nobody can be sent to, and those that stand twice.
func (c *checker) addresses(list []netip.Addr, at ...any) {
	for i, a := range list {
		if what := unusable(a); what != "" {
			c.docs[0].Fault(a.String()+" is "+what, append(at, i)...)
		} else if a.IsValid() && slices.Contains(list[:i], a) {
			c.docs[0].Fault("duplicate address "+a.String(), append(at, i)...)
		}
	}
}
