package resolver

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/miekg/dns"
)

// Octets of the options below that have always as many.
const (
	keepaliveLen   = 6
	zoneversionLen = 10
)

// appendText appends an option that is octets of ours: NSID, which of the name
// servers behind one address this is (RFC 5001), or the Report-Channel, below
// which name, in wire format, resolvers may tell what they found wrong with the
// zone (RFC 9567).
func appendText(dst []byte, code uint16, text string) []byte {
	return append(appendOption(dst, code, len(text)), text...)
}

// appendKeepalive appends the edns-tcp-keepalive option (RFC 7828): how long
// the connection may be idle from now on, in tenths of a second.
func appendKeepalive(dst []byte, idle time.Duration) []byte {
	tenths := min(idle/(100*time.Millisecond), math.MaxUint16)
	return binary.BigEndian.AppendUint16(appendOption(dst, dns.EDNS0TCPKEEPALIVE, 2), uint16(tenths))
}

// appendZoneversion appends the ZONEVERSION option (RFC 9660): the serial of
// the zone with this apex, and how many labels of the question's name make the
// zone's.
func appendZoneversion(dst []byte, apex string, serial uint32) []byte {
	labels := 0
	for i := 0; apex[i] != 0; i += 1 + int(apex[i]) {
		labels++
	}
	const soaSerial = 0
	dst = append(appendOption(dst, dns.EDNS0ZONEVERSION, 6), byte(labels), soaSerial)
	return binary.BigEndian.AppendUint32(dst, serial)
}

// ede is an extended DNS error (RFC 8914): why an answer is what it is, for
// people and resolvers' logs. The zero ede is none.
type ede struct {
	code uint16
	text string
}

// notOurs is said where there is no zone for the question.
var notOurs = ede{dns.ExtendedErrorCodeNotAuthoritative, "not a name of this server"}

func (e ede) append(dst []byte) []byte {
	dst = appendOption(dst, dns.EDNS0EDE, 2+len(e.text))
	return append(binary.BigEndian.AppendUint16(dst, e.code), e.text...)
}

func (e ede) len() int { return 6 + len(e.text) }

// padTo is what replies over TLS are padded to a multiple of, where the query
// has the padding option (RFC 8467 section 4.1): neither tells what was asked.
const padTo = 468

// pad appends the padding option, the last one, so that the reply's length is a
// multiple of padTo.
func (r *reply) pad() {
	with := len(r.buf) - r.base + 4
	n := (padTo - with%padTo) % padTo
	if n = min(n, maxTCP-with); n >= 0 {
		r.buf = append(appendOption(r.buf, dns.EDNS0PADDING, n), make([]byte, n)...)
	}
}
