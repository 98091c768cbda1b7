package resolver

import "github.com/miekg/dns"

// chaos answers in class CH who the server is (RFC 4892), unless it shall not
// say so.
func (s *Snapshot) chaos(r *reply, q *query) {
	text := ""
	switch string(q.name[:q.nameLen]) {
	case "\x07version\x04bind\x00", "\x07version\x06server\x00":
		text = s.made.Software
	case "\x08hostname\x04bind\x00", "\x02id\x06server\x00":
		text = s.made.Identity
	}
	switch {
	case text == "" || q.qtype != dns.TypeTXT && q.qtype != dns.TypeANY:
		r.refuse(notOurs)
	case s.made.Hide:
		r.refuse(ede{dns.ExtendedErrorCodeProhibited, "not told here"})
	default:
		r.answered(appendTXT(r.buf, dns.ClassCHAOS, []string{text}), 1)
	}
}
