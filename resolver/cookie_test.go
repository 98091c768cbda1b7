package resolver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// secretOf reads one secret.
func secretOf(t testing.TB, digits string) Secret {
	t.Helper()
	s, err := ParseSecrets([]byte(digits))
	if err != nil {
		t.Fatal(err)
	}
	return s[0]
}

// TestCookieVectors are those of RFC 9018 appendix A: a new cookie, one that is
// young enough to go back as it is, one with reserved octets set that is due,
// and one over IPv6 by the former secret.
func TestCookieVectors(t *testing.T) {
	first, second, third := secretOf(t, "e5e973e5a6b2a43f48e7dc849e37bfcf"), secretOf(t, "445536bcd2513298075a5d379663c962"), secretOf(t, "dd3bdf9344b678b185a6f5cb60fca715")
	for _, c := range []struct {
		what       string
		secrets    []Secret
		client     string
		now        int64
		sent, back string
		good       bool
	}{
		{"A.1 new", []Secret{first}, "198.51.100.100", 1559731985, "2464c4abcf10c957", "2464c4abcf10c957 01000000 5cf79f11 1f8130c3eee29480", false},
		{"A.2 due", []Secret{first}, "198.51.100.100", 1559734385, "2464c4abcf10c957 01000000 5cf79f11 1f8130c3eee29480", "2464c4abcf10c957 01000000 5cf7a871 d4a564a1442aca77", true},
		{"A.3 other reserved octets", []Secret{first}, "203.0.113.203", 1559734700, "fc93fc62807ddb86 01abcdef 5cf78f71 a314227b6679ebf5", "fc93fc62807ddb86 01000000 5cf7a9ac f73a7810aca2381e", false},
		{"A.3 when it was young", []Secret{first}, "203.0.113.203", 1559728000, "fc93fc62807ddb86 01abcdef 5cf78f71 a314227b6679ebf5", "fc93fc62807ddb86 01abcdef 5cf78f71 a314227b6679ebf5", true},
		{"A.4 another secret, IPv6", []Secret{second, third}, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961, "22681ab97d52c298 01000000 5cf7c57926556bd0934c72f8", "22681ab97d52c298 01000000 5cf7c609 a6bb79d16625507a", true},
	} {
		var o cookie
		sent := unhex(t, c.sent)
		if !o.parse(sent) {
			t.Fatalf("%s: not taken", c.what)
		}
		o.settle(c.secrets, netip.MustParseAddr(c.client), time.Unix(c.now, 0))
		if !bytes.Equal(o.back[:], unhex(t, c.back)) || o.good != c.good {
			t.Errorf("%s: got %x, good %t", c.what, o.back, o.good)
		}
	}
}

// TestCookieAges: at which ages a cookie is good, and when it comes back as it
// went, also where the clock of 32 bits goes round.
func TestCookieAges(t *testing.T) {
	secrets := []Secret{{1}, {2}}
	client := netip.MustParseAddr("192.0.2.1")
	for _, made := range []int64{1 << 31, 1 << 32, 1<<32 - 1000, 1795321721} {
		for by := range secrets {
			for age, want := range map[int64]struct{ good, same bool }{
				-301: {false, false}, -300: {true, true}, 0: {true, true}, 1800: {true, true}, 1801: {true, false}, 3600: {true, false}, 3601: {false, false},
			} {
				var first, then cookie
				first.parse([]byte("at least"))
				first.settle(secrets[by:], client, time.Unix(made, 0))
				then.parse(first.back[:])
				then.settle(secrets, client, time.Unix(made+age, 0))
				if same := then.back == first.back; then.good != want.good || same != (want.same && by == 0 || !want.same && age == 0) {
					t.Errorf("made %d by secret %d, %d s later: good %t, same %t", made, by, age, then.good, same)
				}
				if n := binary.BigEndian.Uint32(then.back[cookieTime:]); then.back != first.back && n != uint32(made+age) {
					t.Errorf("made anew with time %d", n)
				}
			}
		}
	}
}

// TestCookieForged: one bit, another client or an unknown version make it bad.
func TestCookieForged(t *testing.T) {
	secrets := []Secret{{1}}
	client, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1795321721, 0)
	var first cookie
	first.parse([]byte("at least"))
	first.settle(secrets, client, now)
	for bit := range 8 * cookieLen {
		sent := bytes.Clone(first.back[:])
		sent[bit/8] ^= 1 << (bit % 8)
		var c cookie
		c.parse(sent)
		if c.settle(secrets, client, now); c.good {
			t.Errorf("bit %d", bit)
		}
	}
	var c cookie
	c.parse(first.back[:])
	if c.settle(secrets, netip.MustParseAddr("192.0.2.2"), now); c.good {
		t.Error("from another client")
	}
	if c.settle(secrets, client, now); !c.good {
		t.Error("the cookie itself is not good")
	}
}

func TestParseSecrets(t *testing.T) {
	one, two := strings.Repeat("00", 15)+"01", strings.Repeat("Ab", 16)
	for text, want := range map[string]int{one: 1, one + "\n": 1, "\n " + one + " \r\n\n" + two + "\n": 2} {
		if s, err := ParseSecrets([]byte(text)); err != nil || len(s) != want || s[0][15] != 1 {
			t.Errorf("%q: %v %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"": "one or two", "\n\n": "one or two", one + "\n" + one + "\n" + two: "one or two",
		one[1:]: "line 1: wants 32", one + "\n\n" + one + "0": "line 3: wants 32", "x" + one[1:]: "line 1: wants 32",
	} {
		if _, err := ParseSecrets([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
