package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

const zoneversionLen = 10

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
