package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

const (
	headerLen = 12  // RFC 1035 section 4.1.1
	maxName   = 255 // octets of a name on the wire, root included (RFC 1035 section 2.3.4)
	maxLabel  = 63

	flagQR = 0x80 // in the header's third octet
	flagAA = 0x04
	flagTC = 0x02
	flagRD = 0x01
)

// query is one parsed query. It lives on the stack of the one who answers.
type query struct {
	opcode  int
	end     int // octets of header and question; headerLen when no question could be read
	qtype   uint16
	qclass  uint16
	nameLen int
	name    [maxName + 1]byte // of the question: wire format, lower case; whole words
	edns    edns
	tsig    int // where a TSIG record begins; 0: there is none
}

// known reports whether the opcode's messages have the four sections of
// RFC 1035, so that there is something to read behind the header.
func (q *query) known() bool {
	return q.opcode == dns.OpcodeQuery || q.opcode == dns.OpcodeNotify || q.opcode == dns.OpcodeUpdate
}

// parse reads msg, which has at least headerLen octets. False means FORMERR;
// what was read before the fault stands, so that the reply can echo the
// question and carry an OPT. A message may come without a question, for a
// cookie's sake (RFC 7873 section 5.4).
func (q *query) parse(msg []byte) bool {
	q.opcode = int(msg[2] >> 3 & 0xF)
	q.end = headerLen
	if !q.known() {
		return true
	}
	questions := binary.BigEndian.Uint16(msg[4:])
	return questions <= 1 && (questions == 0 || q.readQuestion(msg)) && q.readRecords(msg)
}

// asked reports whether there is a question.
func (q *query) asked() bool { return q.end > headerLen }

// absurd reports whether the question is for a type or a class that is never
// asked for.
func (q *query) absurd() bool {
	switch q.qtype {
	case dns.TypeOPT, dns.TypeTKEY, dns.TypeTSIG:
		return true
	}
	return q.qclass == 0 || q.qclass == dns.ClassNONE
}

// readQuestion reads the one question. Nothing stands before it that a pointer
// could point to, so a pointer in it is a fault like the reserved label types.
func (q *query) readQuestion(msg []byte) bool {
	off := headerLen
	for {
		if off >= len(msg) {
			return false
		}
		label := int(msg[off])
		off += 1 + label
		if label == 0 {
			break
		}
		if label > maxLabel || off-headerLen >= maxName {
			return false
		}
	}
	if len(msg)-off < 4 {
		return false
	}
	q.nameLen = off - headerLen
	copy(q.name[:], msg[headerLen:off])
	for i := 0; i < q.nameLen; i += 8 { // length octets are under 'A'
		eight := q.name[i : i+8]
		binary.NativeEndian.PutUint64(eight, lower(binary.NativeEndian.Uint64(eight)))
	}
	q.qtype = binary.BigEndian.Uint16(msg[off:])
	q.qclass = binary.BigEndian.Uint16(msg[off+2:])
	q.end = off + 4
	return true
}

// lower makes eight octets lower case: ASCII only (RFC 4343), and without a
// branch: names in random case (0x20) would mispredict every other one.
func lower(eight uint64) uint64 {
	const each = 0x0101010101010101
	low := eight &^ (0x80 * each)
	upper := (low + (0x80-'A')*each) ^ (low + (0x7F-'Z')*each) // top bit: from A, but not past Z
	return eight | upper&^eight&(0x80*each)>>2
}

// readRecords walks the records behind the question: none but in the additional
// section for a QUERY (and the SOA that a client of IXFR has, RFC 1995 section
// 3), at most one OPT, and no octet after the last.
func (q *query) readRecords(msg []byte) bool {
	answers, authorities := int(binary.BigEndian.Uint16(msg[6:])), int(binary.BigEndian.Uint16(msg[8:]))
	before := answers + authorities
	if q.opcode == dns.OpcodeQuery && before != 0 && (answers != 0 || authorities != 1 || q.qtype != dns.TypeIXFR) {
		return false
	}
	all := before + int(binary.BigEndian.Uint16(msg[10:]))
	off := q.end
	for i := range all {
		owner := off
		off = skipName(msg, off)
		if off < 0 || len(msg)-off < 10 {
			return false
		}
		fixed := off // type, class, TTL, length of the data
		off += 10 + int(binary.BigEndian.Uint16(msg[off+8:]))
		if off > len(msg) {
			return false
		}
		rrtype := binary.BigEndian.Uint16(msg[fixed:])
		if q.opcode == dns.OpcodeQuery && i < before && rrtype != dns.TypeSOA {
			return false
		}
		if rrtype == dns.TypeTSIG { // the last of all (RFC 8945 section 5.1)
			q.tsig = owner
			if i < before || i != all-1 {
				return false
			}
		}
		if rrtype != dns.TypeOPT {
			continue
		}
		if i < before || msg[owner] != 0 || q.edns.present || !q.edns.parse(msg[fixed:off]) {
			return false
		}
	}
	return off == len(msg)
}

// skipName returns the offset behind the name at off, −1 when it is malformed.
// Pointers must point back to where a name could be; they are not followed.
func skipName(msg []byte, off int) int {
	for start := off; off < len(msg) && off-start < maxName; {
		label := int(msg[off])
		switch {
		case label == 0:
			return off + 1
		case label <= maxLabel:
			off += 1 + label
		case label < 0xC0 || off+1 == len(msg):
			return -1
		default:
			to := int(binary.BigEndian.Uint16(msg[off:]) & 0x3FFF)
			if to < headerLen || to >= start {
				return -1
			}
			return off + 2
		}
	}
	return -1
}
