package resolver

import "github.com/miekg/dns"

// appendReport appends the Report-Channel option (RFC 9567): below which name,
// in wire format, resolvers may tell what they found wrong with the zone.
func appendReport(dst []byte, agent string) []byte {
	return append(appendOption(dst, dns.EDNS0REPORTING, len(agent)), agent...)
}
