package resolver

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	digest "hash"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Key is a secret that is shared with a secondary (RFC 8945). It signs as
// miekg's own keys do, and knows MACs that were cut short.
type Key struct {
	name, algorithm string // lower case, with the final dot
	secret          []byte
}

var algorithms = map[string]func() digest.Hash{dns.HmacSHA256: sha256.New, dns.HmacSHA384: sha512.New384, dns.HmacSHA512: sha512.New}

// NewKey makes a key of its name and algorithm: hmac-sha256, hmac-sha384 or
// hmac-sha512. The secret has 16 octets or more.
func NewKey(name, algorithm string, secret []byte) (*Key, error) {
	k := &Key{dns.CanonicalName(name), dns.CanonicalName(algorithm), secret}
	_, err := wireName(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key %s: %w", name, err)
	case algorithms[k.algorithm] == nil:
		return nil, fmt.Errorf("key %s: no algorithm %q: hmac-sha256, hmac-sha384 or hmac-sha512", name, algorithm)
	case len(secret) < 16:
		return nil, fmt.Errorf("key %s: the secret has %d octets, 16 is the least", name, len(secret))
	}
	return k, nil
}

// Generate is for dns.TsigProvider: the MAC of msg.
func (k *Key) Generate(msg []byte, _ *dns.TSIG) ([]byte, error) {
	h := hmac.New(algorithms[k.algorithm], k.secret)
	h.Write(msg)
	return h.Sum(nil), nil
}

var (
	errShortMAC = errors.New("the MAC was cut short") // which is right as far as it goes
	errNoMAC    = errors.New("no length of a MAC")
)

// Verify is for dns.TsigProvider: whether t has the MAC of msg (RFC 8945 section
// 5.2.2).
func (k *Key) Verify(msg []byte, t *dns.TSIG) error {
	want, _ := k.Generate(msg, t)
	mac, err := hex.DecodeString(t.MAC)
	switch n := len(mac); {
	case err != nil || n > len(want) || n < max(10, len(want)/2):
		return errNoMAC
	case !hmac.Equal(mac, want[:n]):
		return dns.ErrSig
	case n < len(want):
		return errShortMAC
	}
	return nil
}

// verify holds msg, which t signs, against the key that t names: the rcode is 0,
// a TSIG error, or FORMERR.
func verify(msg []byte, t *dns.TSIG, keys []*Key) (key *Key, rcode uint16) {
	i := slices.IndexFunc(keys, func(k *Key) bool {
		return k.name == dns.CanonicalName(t.Hdr.Name) && k.algorithm == dns.CanonicalName(t.Algorithm)
	})
	if i < 0 {
		return nil, dns.RcodeBadKey
	}
	err := dns.TsigVerifyWithProvider(bytes.Clone(msg), keys[i], "", false) // which writes to it
	switch {
	case err == nil:
		return keys[i], 0
	case errors.Is(err, dns.ErrSig):
		return keys[i], dns.RcodeBadSig
	case errors.Is(err, dns.ErrTime):
		return keys[i], dns.RcodeBadTime
	case errors.Is(err, errShortMAC):
		return keys[i], dns.RcodeBadTrunc
	}
	return nil, dns.RcodeFormatError
}

// fudge is how many seconds clocks may be apart (RFC 8945 section 10).
const fudge = 300

// sign packs m with a signature behind the MAC prior, and returns its own; more
// tells that m is not the first of its answer, where only the time is signed
// beside it (RFC 8945 section 5.3.1). Without a key there is no signature.
func (k *Key) sign(m *dns.Msg, prior string, more bool) (packed []byte, mac string, err error) {
	if k == nil {
		packed, err = m.Pack()
		return packed, "", err
	}
	m.SetTsig(k.name, k.algorithm, fudge, time.Now().Unix())
	return dns.TsigGenerateWithProvider(m, k, prior, more)
}

// signed is reply for a message that has a TSIG record (RFC 8945 section 5.2): the
// reply is signed when the message is, and by a key of Options.Transfers. So are
// errors but those of key and MAC.
func (s *Snapshot) signed(dst, msg []byte, q *query, client netip.Addr, how *Transport, turns *Turns) ([]byte, Verdict) {
	record, _, err := dns.UnpackRR(msg, q.tsig)
	t, ok := record.(*dns.TSIG)
	var key *Key
	var rcode uint16 = dns.RcodeFormatError
	if err == nil && ok && t.Hdr.Class == dns.ClassANY && t.Hdr.Ttl == 0 {
		key, rcode = verify(msg, t, s.made.Transfers.Keys)
	}
	against, limit := NotAuth, how.limit(&q.edns)
	switch rcode {
	case 0:
		how.key, against = key, Answered
	case dns.RcodeFormatError:
		return s.reply(dst, msg, q, FormErr, client, how, turns)
	}
	own := &dns.TSIG{
		Hdr: t.Hdr, Algorithm: t.Algorithm, TimeSigned: uint64(how.Now.Unix()), Fudge: fudge, Error: rcode, OrigId: binary.BigEndian.Uint16(msg),
	}
	if rcode == dns.RcodeBadTime { // tells ours
		own.OtherLen, own.OtherData = 6, fmt.Sprintf("%012x", own.TimeSigned)
		own.TimeSigned = t.TimeSigned
	}
	how.reserved = dns.Len(own) + sha512.Size
	reply, verdict := s.reply(nil, msg, q, against, client, how, turns)
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return dst, Dropped
	}
	m.Compress, m.Extra = true, append(m.Extra, own)
	if reply, _, err = dns.TsigGenerateWithProvider(m, key, t.MAC, false); err != nil || len(reply) > limit {
		return dst, Dropped // too long are two names of 255 octets where there is room for 512
	}
	return append(dst, reply...), verdict
}
