package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

const (
	minUDP     = 512  // what every client takes (RFC 1035), also when it says less (RFC 6891 section 6.2.3)
	defaultUDP = 1232 // fits unfragmented into every IPv6 link (RFC 9715)
	maxTCP     = 65535

	optLen = 11 // of an OPT record without options
)

// edns is a query's OPT record (RFC 6891), the parts that matter here. Options
// that are not known are skipped.
type edns struct {
	present bool
	do      bool
	version uint8
	size    uint16 // the UDP payload the client takes
	subnet  subnet
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
	for options := rr[10:]; len(options) > 0; {
		if len(options) < 4 {
			return false
		}
		code, end := binary.BigEndian.Uint16(options), 4+int(binary.BigEndian.Uint16(options[2:]))
		if end > len(options) {
			return false
		}
		if code == dns.EDNS0SUBNET && !e.subnet.parse(options[4:end]) {
			return false
		}
		options = options[end:]
	}
	return true
}

// appendOPT appends our OPT record: version 0, the client's DO (RFC 3225) and
// the upper octet of rcode. Its options are appended after it, and the length
// of them set, by closeOPT.
func (e *edns) appendOPT(dst []byte, rcode int) []byte {
	var do byte
	if e.do {
		do = 0x80
	}
	return append(dst, 0, 0, byte(dns.TypeOPT), defaultUDP>>8, defaultUDP&0xFF, byte(rcode>>4), 0, do, 0, 0, 0)
}

// closeOPT sets the data length of the OPT record that begins at opt.
func closeOPT(dst []byte, opt int) {
	binary.BigEndian.PutUint16(dst[opt+optLen-2:], uint16(len(dst)-opt-optLen))
}

// ede is an extended DNS error (RFC 8914): why an answer is what it is, for
// people and resolvers' logs. The zero ede is none.
type ede struct {
	code uint16
	text string
}

// append appends the option.
func (e ede) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, dns.EDNS0EDE)
	dst = binary.BigEndian.AppendUint16(dst, uint16(2+len(e.text)))
	dst = binary.BigEndian.AppendUint16(dst, e.code)
	return append(dst, e.text...)
}

func (e ede) len() int { return 6 + len(e.text) }
