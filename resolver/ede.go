package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// ede is an extended DNS error (RFC 8914): why an answer is what it is, for
// people and resolvers' logs. The zero ede is none.
type ede struct {
	code uint16
	text string
}

// append appends the option.
func (e ede) append(dst []byte) []byte {
	dst = appendOption(dst, dns.EDNS0EDE, 2+len(e.text))
	return append(binary.BigEndian.AppendUint16(dst, e.code), e.text...)
}

func (e ede) len() int { return 6 + len(e.text) }

// notOurs is said where there is no zone for the question.
var notOurs = ede{dns.ExtendedErrorCodeNotAuthoritative, "not a name of this server"}
