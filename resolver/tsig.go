package resolver

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	digest "hash"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Key is a secret that is shared with a secondary (RFC 8945).
type Key struct {
	name, algorithm []byte // wire format, lower case
	secret          []byte
	hash            func() digest.Hash
}

var algorithms = map[string]func() digest.Hash{"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New}

// NewKey makes a key of its name and algorithm: hmac-sha256, hmac-sha384 or
// hmac-sha512. The secret has 16 octets or more.
func NewKey(name, algorithm string, secret []byte) (*Key, error) {
	wire, err := wireName(name)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	h, ok := algorithms[algorithm]
	switch {
	case !ok:
		return nil, fmt.Errorf("key %s: no algorithm %q: hmac-sha256, hmac-sha384 or hmac-sha512", name, algorithm)
	case len(secret) < 16:
		return nil, fmt.Errorf("key %s: the secret has %d octets, 16 is the least", name, len(secret))
	}
	other, err := wireName(algorithm)
	return &Key{[]byte(wire), []byte(other), secret, h}, err
}

// signature is a TSIG record (RFC 8945 section 4.2).
type signature struct {
	name, algorithm []byte // wire format, lower case
	times           []byte // time signed, seconds in 48 bits, and fudge in 16
	mac             []byte
	id              uint16 // of the message when it was signed
	rcode           uint16
	other           []byte
}

// parseSignature reads the TSIG record at the end of msg from at on. False means
// FORMERR.
func parseSignature(msg []byte, at int) (s signature, ok bool) {
	var err error
	var name, algorithm string
	if name, at, err = dns.UnpackDomainName(msg, at); err != nil || len(msg)-at < 10 || binary.BigEndian.Uint16(msg[at+2:]) != dns.ClassANY || binary.BigEndian.Uint32(msg[at+4:]) != 0 {
		return s, false
	}
	if algorithm, at, err = dns.UnpackDomainName(msg, at+10); err != nil || len(msg)-at < 10 {
		return s, false
	}
	rest := msg[at:]
	cut := func(n int) (part []byte) {
		if ok = ok && n <= len(rest); ok {
			part, rest = rest[:n], rest[n:]
		}
		return part
	}
	number := func() (n int) {
		if b := cut(2); ok {
			n = int(binary.BigEndian.Uint16(b))
		}
		return n
	}
	ok = true
	s.times = cut(8)
	s.mac = cut(number())
	s.id, s.rcode = uint16(number()), uint16(number())
	s.other = cut(number())
	wire, fault := wireName(name)
	s.name = []byte(wire)
	wire, err = wireName(algorithm)
	s.algorithm = []byte(wire)
	return s, ok && fault == nil && err == nil && len(rest) == 0
}

// verify holds msg, signed by a TSIG record at at, against the key that it
// names: the rcode is 0 or a TSIG error, and key nil unless the MAC is right.
func verify(msg []byte, at int, s *signature, keys []*Key, now time.Time) (key *Key, rcode uint16) {
	for _, k := range keys {
		if bytes.Equal(k.name, s.name) && bytes.Equal(k.algorithm, s.algorithm) {
			key = k
		}
	}
	if key == nil {
		return nil, dns.RcodeBadKey
	}
	bare := append([]byte(nil), msg[:at]...)
	binary.BigEndian.PutUint16(bare, s.id)
	binary.BigEndian.PutUint16(bare[additionals:], binary.BigEndian.Uint16(bare[additionals:])-1)
	want := key.mac(nil, bare, s.variables())
	switch n := len(s.mac); {
	case n > len(want) || n < max(10, len(want)/2): // RFC 8945 section 5.2.2.1
		return nil, dns.RcodeFormatError
	case n < len(want) && hmac.Equal(s.mac, want[:n]):
		return nil, dns.RcodeBadTrunc
	case !hmac.Equal(s.mac, want):
		return nil, dns.RcodeBadSig
	}
	signed, fudge := seconds48(s.times), int64(binary.BigEndian.Uint16(s.times[6:]))
	if away := now.Unix() - signed; away > fudge || away < -fudge {
		return key, dns.RcodeBadTime
	}
	return key, 0
}

// mac signs a message without its TSIG record, that is behind the MAC prior.
func (k *Key) mac(prior, msg, variables []byte) []byte {
	h := hmac.New(k.hash, k.secret)
	if prior != nil {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(prior))))
		h.Write(prior)
	}
	h.Write(msg)
	h.Write(variables)
	return h.Sum(nil)
}

// variables is what is signed of the record itself (RFC 8945 section 4.3.3).
func (s *signature) variables() []byte {
	b := append([]byte(nil), s.name...)
	b = append(append(b, 0, 255, 0, 0, 0, 0), s.algorithm...)
	b = binary.BigEndian.AppendUint16(append(b, s.times...), s.rcode)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s.other))), s.other...)
}

// len is how many octets append takes at most.
func (s *signature) len() int {
	return len(s.name) + len(s.algorithm) + 26 + sha512.Size + 6
}

// append appends the record to the message that begins at base.
func (s *signature) append(msg []byte, base int) []byte {
	count := msg[base+additionals:]
	binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)+1)
	msg = append(append(msg, s.name...), 0, byte(dns.TypeTSIG), 0, 255, 0, 0, 0, 0, 0, 0)
	at := len(msg)
	msg = append(append(msg, s.algorithm...), s.times...)
	msg = append(binary.BigEndian.AppendUint16(msg, uint16(len(s.mac))), s.mac...)
	msg = binary.BigEndian.AppendUint16(msg, s.id)
	msg = binary.BigEndian.AppendUint16(msg, s.rcode)
	msg = append(binary.BigEndian.AppendUint16(msg, uint16(len(s.other))), s.other...)
	binary.BigEndian.PutUint16(msg[at-2:], uint16(len(msg)-at))
	return msg
}

// fudge is how far clocks may be apart (RFC 8945 section 10).
const fudge = 300

// clock is the time signed of now, and the fudge.
func clock(now time.Time) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	return binary.BigEndian.AppendUint16(b[2:], fudge)
}

func seconds48(times []byte) int64 {
	return int64(binary.BigEndian.Uint16(times))<<32 | int64(binary.BigEndian.Uint32(times[2:]))
}

// signer signs the messages of one exchange, one behind the other.
type signer struct {
	key   *Key
	prior []byte // MAC of the message before; nil: there is none
	more  bool   // not the first reply: only times are signed beside it (RFC 8945 section 5.3.1)
}

// sign appends a TSIG record to the message that begins at base.
func (g *signer) sign(msg []byte, base int, now time.Time) []byte {
	if g == nil || g.key == nil {
		return msg
	}
	s := signature{name: g.key.name, algorithm: g.key.algorithm, times: clock(now), id: binary.BigEndian.Uint16(msg[base:])}
	variables := s.variables()
	if g.more {
		variables = s.times
	}
	s.mac = g.key.mac(g.prior, msg[base:], variables)
	g.prior, g.more = s.mac, true
	return s.append(msg, base)
}

// signed is Answer for a message that has a TSIG record (RFC 8945 section 5.2):
// the reply is signed when the message is, and by a key of how.Transfers. Errors
// go unsigned but for a clock that is wrong, which is told ours.
func (s *Snapshot) signed(dst, msg []byte, client netip.Addr, how Transport, turns *Turns) ([]byte, Verdict) {
	var q query
	q.parse(msg)
	sig, ok := parseSignature(msg, q.tsig)
	var rcode uint16 = dns.RcodeFormatError
	if ok {
		how.key, rcode = verify(msg, q.tsig, &sig, how.Transfers.keys(), how.Now)
	}
	if rcode == dns.RcodeFormatError {
		how.forced = dns.RcodeFormatError
		return s.Answer(dst, msg, client, how, turns)
	}
	if how.reserved = sig.len(); rcode != 0 {
		how.forced = dns.RcodeNotAuth
	}
	base := len(dst)
	reply, verdict := s.Answer(dst, msg, client, how, turns)
	if len(reply) == base {
		return reply, verdict
	}
	if rcode == 0 {
		g := signer{key: how.key, prior: sig.mac}
		return g.sign(reply, base, how.Now), verdict
	}
	prior := sig.mac
	sig.rcode, sig.mac, sig.other, sig.id = rcode, nil, nil, binary.BigEndian.Uint16(msg)
	if rcode == dns.RcodeBadTime {
		sig.other = clock(how.Now)[:6]
		sig.mac = how.key.mac(prior, reply[base:], sig.variables())
	}
	return sig.append(reply, base), verdict
}
