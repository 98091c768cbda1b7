package resolver

import "github.com/miekg/dns"

// appendNSID appends the NSID option (RFC 5001): which of the name servers
// behind one address this is.
func appendNSID(dst []byte, identity string) []byte {
	return append(appendOption(dst, dns.EDNS0NSID, len(identity)), identity...)
}
