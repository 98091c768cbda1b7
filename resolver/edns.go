package resolver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"
)

const (
	minUDP = 512  // what every client takes (RFC 1035), also when it says less (RFC 6891 section 6.2.3)
	maxUDP = 1232 // fits unfragmented into every IPv6 link (RFC 9715)
	maxTCP = 65535

	optLen = 11 // of an OPT record without options
)

// edns is a query's OPT record (RFC 6891), the parts that matter here. Options
// that are not known are skipped.
type edns struct {
	present bool
	do      bool
	version uint8
	size    uint16 // the UDP payload the client takes
	options
}

// options are those that get something back.
type options struct {
	any         bool // there is one of these
	room        int  // the most octets that go back
	subnet      subnet
	cookie      cookie
	nsid        bool
	keepalive   bool
	zoneversion bool
	padding     bool
}

// parse reads an OPT record from its type onwards. False means FORMERR. The
// options of a version other than 0 may look different and are left alone.
func (e *edns) parse(rr []byte) bool {
	e.present = true
	e.size = binary.BigEndian.Uint16(rr[2:])
	e.version = rr[5]
	e.do = rr[6]&0x80 != 0
	if e.version != 0 {
		return true
	}
	for rest := rr[10:]; len(rest) > 0; {
		if len(rest) < 4 {
			return false
		}
		code, end := binary.BigEndian.Uint16(rest), 4+int(binary.BigEndian.Uint16(rest[2:]))
		if end > len(rest) || !e.option(code, rest[4:end]) {
			return false
		}
		rest = rest[end:]
	}
	return true
}

// option takes one option. What stands in those that only ask is ignored
// (RFC 5001 section 2.1).
func (e *edns) option(code uint16, content []byte) (ok bool) {
	ok = true
	switch code {
	case dns.EDNS0SUBNET:
		ok = e.subnet.parse(content)
	case dns.EDNS0COOKIE:
		ok = e.cookie.parse(content)
	case dns.EDNS0NSID:
		e.nsid = true
	case dns.EDNS0TCPKEEPALIVE:
		e.keepalive = true
	case dns.EDNS0ZONEVERSION:
		e.zoneversion = true
	case dns.EDNS0PADDING:
		e.padding = true
	default:
		return true
	}
	e.any = true
	return ok
}

// admit drops the options that are not known to this server, from this client
// or over this transport, so that those left get something back.
func (o *options) admit(s *Snapshot, client netip.Addr, how *Transport) {
	if o.subnet.present && !s.believes(client) {
		o.subnet = subnet{}
	}
	if o.subnet.present {
		o.room += 4 + len(o.subnet.sent)
	}
	if o.cookie.present {
		o.cookie.settle(s.made.Cookies, client, how.Now)
	}
	if o.cookie.present {
		o.room += 4 + cookieLen
	}
	if o.nsid = o.nsid && s.made.Identity != ""; o.nsid {
		o.room += 4 + len(s.made.Identity)
	}
	if o.keepalive = o.keepalive && how.Idle > 0; o.keepalive {
		o.room += keepaliveLen
	}
	if o.zoneversion {
		o.room += zoneversionLen
	}
}

// answered appends what the options asked for.
func (o *options) answered(r *reply, s *Snapshot, how *Transport) {
	if o.subnet.present {
		r.buf = o.subnet.append(r.buf, r.scope)
	}
	if o.cookie.present {
		r.buf = o.cookie.append(r.buf)
	}
	if o.nsid {
		r.buf = appendText(r.buf, dns.EDNS0NSID, s.made.Identity)
	}
	if o.keepalive {
		r.buf = appendKeepalive(r.buf, how.Idle)
	}
	if o.zoneversion && r.apex != nil {
		r.buf = appendZoneversion(r.buf, r.apex.wire, s.Serial)
	}
}

// appendOPT appends our OPT record: version 0, the client's DO (RFC 3225), the
// upper octet of rcode, and a length that is set when its options are there.
func (e *edns) appendOPT(dst []byte, rcode int) []byte {
	var do byte
	if e.do {
		do = 0x80
	}
	return append(dst, 0, 0, byte(dns.TypeOPT), maxUDP>>8, maxUDP&0xFF, byte(rcode>>4), 0, do, 0, 0, 0)
}

// appendOption appends an option's code and length.
func appendOption(dst []byte, code uint16, length int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(dst, code), uint16(length))
}
