package resolver

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dchest/siphash"
	"github.com/miekg/dns"
)

// The parts of a cookie, in octets: the client's 8, then the server's version,
// three reserved ones, the time it was made and the hash (RFC 9018 section 4).
const (
	clientCookie = 8
	cookieTime   = 12
	cookieHash   = 16
	cookieLen    = 24
	maxCookie    = 40 // with another maker's server part (RFC 7873 section 4)
)

// For how long a server cookie is good, and before it is that old it is made
// anew (RFC 9018 section 4.3), in seconds.
const (
	cookiePast   = 3600
	cookieFuture = 300
	cookieFresh  = 1800
)

// Secret is a key of server cookies, the same on all name servers behind one
// address.
type Secret [16]byte

// ParseSecrets reads a file of secrets: the active one, by which cookies are
// made, and if need be one more that is taken too, while it is rolled over
// (RFC 9018 section 5). Each is 32 hexadecimal digits on a line of its own;
// blank lines are skipped.
func ParseSecrets(content []byte) (secrets []Secret, err error) {
	for i, line := range strings.Split(string(content), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		octets, err := hex.DecodeString(line)
		if err != nil || len(octets) != len(Secret{}) {
			return nil, fmt.Errorf("line %d: wants 32 hexadecimal digits", i+1)
		}
		secrets = append(secrets, Secret(octets))
	}
	if len(secrets) != 1 && len(secrets) != 2 {
		return nil, errors.New("wants one or two secrets: the active one, and one that is taken too")
	}
	return secrets, nil
}

// hash is SipHash-2-4 over a cookie's first octets and who sent it.
func (s *Secret) hash(cookie []byte, client netip.Addr) uint64 {
	var in [cookieHash + 16]byte
	n := copy(in[:], cookie[:cookieHash])
	if client.Is4() {
		addr := client.As4()
		n += copy(in[n:], addr[:])
	} else {
		addr := client.As16()
		n += copy(in[n:], addr[:])
	}
	return siphash.Hash(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:]), in[:n])
}

// cookie is a query's COOKIE option (RFC 7873, RFC 9018).
type cookie struct {
	present bool
	good    bool // this server gave it to this client: the source is not forged
	sent    []byte
	back    [cookieLen]byte
}

// parse takes the option. Only the first one counts (RFC 7873 section 5.2).
func (c *cookie) parse(option []byte) bool {
	if c.present {
		return true
	}
	c.present, c.sent = true, option
	return len(option) == clientCookie || 2*clientCookie <= len(option) && len(option) <= maxCookie
}

// settle finds out whether the cookie is good, and which one goes back: the
// same while it is fresh, else a new one. Without secrets the option is one
// that is not known.
func (c *cookie) settle(secrets []Secret, client netip.Addr, now time.Time) {
	if len(secrets) == 0 {
		*c = cookie{}
		return
	}
	copy(c.back[:], c.sent)
	seconds := uint32(now.Unix())
	if len(c.sent) == cookieLen && c.sent[clientCookie] == 1 {
		age := int32(seconds - binary.BigEndian.Uint32(c.sent[cookieTime:])) // RFC 1982
		for i := range secrets {
			if -cookieFuture <= age && age <= cookiePast && secrets[i].hash(c.sent, client) == binary.LittleEndian.Uint64(c.sent[cookieHash:]) {
				if c.good = true; i == 0 && age <= cookieFresh {
					return
				}
			}
		}
	}
	binary.BigEndian.PutUint32(c.back[clientCookie:], 1<<24)
	binary.BigEndian.PutUint32(c.back[cookieTime:], seconds)
	binary.LittleEndian.PutUint64(c.back[cookieHash:], secrets[0].hash(c.back[:], client))
}

// append appends the option.
func (c *cookie) append(dst []byte) []byte {
	return append(appendOption(dst, dns.EDNS0COOKIE, cookieLen), c.back[:]...)
}
