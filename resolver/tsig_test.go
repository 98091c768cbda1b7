package resolver

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var tsigSecret = bytes.Repeat([]byte("secret octets 16"), 2)

func testKey(t testing.TB, algorithm string) *Key {
	t.Helper()
	k, err := NewKey("Xfr.Example", algorithm, tsigSecret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signedQuery is a query signed by miekg, and its MAC.
func signedQuery(t testing.TB, q *dns.Msg, key, algorithm string, at time.Time) ([]byte, string) {
	t.Helper()
	q.SetTsig(key, algorithm+".", 300, at.Unix())
	raw, mac, err := dns.TsigGenerate(q, base64.StdEncoding.EncodeToString(tsigSecret), "", false)
	if err != nil {
		t.Fatal(err)
	}
	return raw, mac
}

// TestSignedQueries tells what a query gets for its signature: rcode, TSIG error,
// and whether miekg takes the reply's signature.
func TestSignedQueries(t *testing.T) {
	s, turns := besidePool(t, nil)
	now := time.Now()
	last := func(b []byte, back int, to byte) []byte { b[len(b)-back] ^= to; return b }
	for name, c := range map[string]struct {
		key, algorithm string
		at             time.Time
		spoil          func([]byte) []byte
		rcode          int
		failure        uint16
		signed         bool
	}{
		"right":          {key: "xfr.example.", algorithm: "hmac-sha256", at: now, signed: true},
		"sha384":         {key: "XFR.example.", algorithm: "hmac-sha384", at: now, signed: true},
		"sha512":         {key: "xfr.example.", algorithm: "hmac-sha512", at: now, signed: true},
		"unknown key":    {key: "other.example.", algorithm: "hmac-sha256", at: now, rcode: dns.RcodeNotAuth, failure: dns.RcodeBadKey},
		"wrong hash":     {key: "xfr.example.", algorithm: "hmac-sha1", at: now, rcode: dns.RcodeNotAuth, failure: dns.RcodeBadKey},
		"old":            {key: "xfr.example.", algorithm: "hmac-sha256", at: now.Add(-time.Hour), rcode: dns.RcodeNotAuth, failure: dns.RcodeBadTime, signed: true},
		"early":          {key: "xfr.example.", algorithm: "hmac-sha256", at: now.Add(time.Hour), rcode: dns.RcodeNotAuth, failure: dns.RcodeBadTime, signed: true},
		"forged":         {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { return last(b, 10, 1) }, rcode: dns.RcodeNotAuth, failure: dns.RcodeBadSig},
		"other question": {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { b[13] ^= 0x20; return b }, rcode: dns.RcodeNotAuth, failure: dns.RcodeBadSig},
		"other id":       {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { b[0] ^= 1; return b }, signed: true},
		"cut short":      {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { return truncateMAC(b, 16) }, rcode: dns.RcodeNotAuth, failure: dns.RcodeBadTrunc, signed: true},
		"too short":      {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { return truncateMAC(b, 15) }, rcode: dns.RcodeFormatError},
		"class IN":       {key: "xfr.example.", algorithm: "hmac-sha256", at: now, spoil: func(b []byte) []byte { return last(b, 16+32+10+8, 254) }, rcode: -1},
	} {
		t.Run(name, func(t *testing.T) {
			algorithm := c.algorithm
			if algorithm == "hmac-sha1" {
				algorithm = "hmac-sha256"
			}
			how := Transport{Now: now}
			s.made.Transfers = Transfers{Keys: []*Key{testKey(t, algorithm)}}
			q := question("pool.example.", dns.TypeSOA)
			q.SetEdns0(1232, false)
			raw, mac := signedQuery(t, q, c.key, c.algorithm, c.at)
			if c.spoil != nil {
				raw = c.spoil(raw)
			}
			reply, verdict := s.Answer(nil, raw, netip.MustParseAddr("203.0.113.9"), how, turns)
			got := new(dns.Msg)
			if err := got.Unpack(reply); err != nil {
				t.Fatalf("%x: %v", reply, err)
			}
			if c.rcode < 0 { // whatever it is, it is no answer
				if verdict == Answered {
					t.Fatal(got)
				}
				return
			}
			sig := got.IsTsig()
			if got.Rcode != c.rcode || got.IsEdns0() == nil && c.rcode == 0 {
				t.Fatalf("%v %v", verdict, got)
			}
			if c.rcode == dns.RcodeFormatError {
				if sig != nil {
					t.Error("signed")
				}
				return
			}
			if sig == nil || sig.Error != c.failure || (sig.MACSize > 0) != c.signed {
				t.Fatalf("%v", sig)
			}
			if c.failure == dns.RcodeBadTime {
				if want := fmt.Sprintf("%012x", now.Unix()); sig.OtherData != want || sig.TimeSigned != uint64(c.at.Unix()) {
					t.Errorf("%v, want %s", sig, want)
				}
			}
			if c.signed && c.rcode == 0 { // miekg looks at no MAC beside NOTAUTH
				if err := dns.TsigVerify(reply, base64.StdEncoding.EncodeToString(tsigSecret), mac, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// truncateMAC leaves n octets of a SHA-256 MAC.
func truncateMAC(b []byte, n int) []byte {
	at := len(b) - 6 - 32 // id, error, length; MAC
	binary.BigEndian.PutUint16(b[at-2:], uint16(n))
	length := b[at-2-8-len("\x0bhmac-sha256\x00")-2:]
	binary.BigEndian.PutUint16(length, binary.BigEndian.Uint16(length)-uint16(32-n))
	return append(b[:at+n], b[at+32:]...)
}

// TestSignedWithoutKeys: who knows no key says so, and signs nothing.
func TestSignedWithoutKeys(t *testing.T) {
	s, turns := besidePool(t, nil)
	raw, _ := signedQuery(t, question("pool.example.", dns.TypeA), "xfr.example.", "hmac-sha256", time.Now())
	reply, verdict := s.Answer(nil, raw, netip.MustParseAddr("203.0.113.9"), Transport{}, turns)
	got := new(dns.Msg)
	if err := got.Unpack(reply); err != nil || verdict != NotAuth || got.Rcode != dns.RcodeNotAuth || got.IsTsig() == nil || got.IsTsig().Error != dns.RcodeBadKey {
		t.Errorf("%v %v %v", verdict, err, got)
	}
}

// TestSignedTooLong: two names of the longest do not fit into 512 octets, and
// nothing that is longer goes out.
func TestSignedTooLong(t *testing.T) {
	s, turns := besidePool(t, nil)
	longest := strings.Repeat(strings.Repeat("x", 62)+".", 3)
	for last, want := range map[int]Verdict{60: Dropped, 3: NotAuth} {
		name := longest + strings.Repeat("y", last) + "."
		raw, _ := signedQuery(t, question(longest+strings.Repeat("z", last)+".", dns.TypeA), name, "hmac-sha256", time.Now())
		client, small := netip.MustParseAddr("203.0.113.9"), Transport{}
		if reply, v := s.Answer(nil, raw, client, small, turns); v != want || len(reply) > minUDP {
			t.Errorf("%v, %d octets", v, len(reply))
		}
		if reply, v := s.Answer(nil, raw, client, Transport{TCP: true}, turns); v != NotAuth || len(reply) == 0 {
			t.Errorf("by TCP %v, %d octets", v, len(reply))
		}
	}
}

func TestNewKey(t *testing.T) {
	for _, c := range []struct {
		name, algorithm string
		secret          []byte
	}{{"a..b", "hmac-sha256", tsigSecret}, {"a", "hmac-md5", tsigSecret}, {"a", "hmac-sha256", tsigSecret[:15]}} {
		if k, err := NewKey(c.name, c.algorithm, c.secret); err == nil {
			t.Errorf("%v: %v", c, k)
		}
	}
}

// FuzzSignature: whatever a TSIG record looks like there is a reply that miekg
// reads and that is in its limit, and NOERROR is only for what is rightly
// signed.
func FuzzSignature(f *testing.F) {
	s, turns := besidePool(f, nil)
	key := testKey(f, "hmac-sha256")
	s.made.Transfers = Transfers{Keys: []*Key{key}}
	now := time.Now()
	for _, spoil := range []int{0, 1, 8, 40, 60} {
		raw, _ := signedQuery(f, question("pool.example.", dns.TypeSOA), "xfr.example.", "hmac-sha256", now)
		raw[len(raw)-1-spoil] ^= 1
		f.Add(raw)
		f.Add(raw[:len(raw)-spoil])
	}
	raw, _ := signedQuery(f, question("pool.example.", dns.TypeSOA), "xfr.example.", "hmac-sha256", now)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, msg []byte) {
		how := Transport{Now: now}
		reply, verdict := s.Answer(nil, msg, netip.MustParseAddr("203.0.113.9"), how, turns)
		if verdict == Dropped {
			return
		}
		var q query
		if !q.parse(msg) || q.tsig == 0 {
			return
		}
		if len(reply) > maxUDP {
			t.Fatalf("%d octets", len(reply))
		}
		var own query
		right := dns.TsigVerifyWithProvider(slices.Clone(msg), key, "", false) == nil
		if !right && q.opcode == dns.OpcodeQuery && verdict != FormErr && verdict != NotAuth {
			t.Fatalf("%v for a wrong signature", verdict)
		}
		reply[2] &^= flagQR
		if verdict != FormErr && own.parse(reply) && own.tsig == 0 {
			t.Fatal("no TSIG in the reply")
		}
	})
}
