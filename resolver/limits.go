package resolver

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"github.com/miekg/dns"

	"github.com/timepool/timepool/zones/limit"
)

// Limits says who may ask, and over UDP, where a source may be forged, how
// often. Zero fields take the default.
type Limits struct {
	// Of the networks in Allow and Deny that hold a client the longest decides,
	// Deny where they are equal; with any Allow, clients in none are not allowed.
	// Those in Deny get no reply, those merely not allowed REFUSED.
	Allow, Deny []netip.Prefix

	Rate    int            // replies a second to an address, and a multiple to the networks around it; default 1000, < 0: no limit
	Burst   int            // replies at once; default 20000
	Slip    int            // one in so many queries over the limit gets a reply that costs nothing; default 2, < 0: none does
	Exempt  []netip.Prefix // never limited; nil: loopback
	OnTrial bool           // only count what would be limited
}

// rateSlots is how many prefixes are remembered: a megabyte in all.
const rateSlots = 1 << 17

// limits is Limits, ready to ask.
type limits struct {
	networks *bart.Table[bool] // whether those in it may ask; nil: all may
	open     bool              // those that are not in it may
	rates    *limit.Limiter    // nil: no limit
	loopback bool              // is exempt
	start    time.Time
	slip     int
	onTrial  bool
	over     atomic.Uint64 // queries over the rate, on trial
}

func newLimits(c Limits) *limits {
	l := &limits{open: len(c.Allow) == 0, slip: cmp.Or(c.Slip, 2), loopback: c.Exempt == nil, onTrial: c.OnTrial, start: time.Now()}
	if len(c.Allow)+len(c.Deny) > 0 {
		l.networks = new(bart.Table[bool])
	}
	for _, p := range c.Allow {
		l.networks.Insert(p, true)
	}
	for _, p := range c.Deny {
		l.networks.Insert(p, false)
	}
	if c.Rate >= 0 {
		l.rates = limit.New(limit.Rates{
			Rate: cmp.Or(c.Rate, 1000), Burst: cmp.Or(c.Burst, 20000), Slots: rateSlots, Exempt: c.Exempt,
			IPv4: []limit.Width{{Bits: 32, Times: 1}, {Bits: 24, Times: 8}, {Bits: 20, Times: 32}},
			IPv6: []limit.Width{{Bits: 128, Times: 1}, {Bits: 64, Times: 4}, {Bits: 56, Times: 8}, {Bits: 48, Times: 32}},
		})
	}
	return l
}

// judge says what becomes of a client's query before it is answered: Denied and
// Limited get no reply, Slipped and Refused one without an answer, and Answered
// means that nothing stands against it. known tells that the source is not
// forged. A nil l lets everything pass.
func (l *limits) judge(client netip.Addr, known bool, now time.Time) Verdict {
	if l == nil {
		return Answered
	}
	verdict := Answered
	if l.networks != nil {
		switch may, found := l.networks.Lookup(client); {
		case found && !may:
			return Denied
		case !found && !l.open:
			verdict = Refused
		}
	}
	if known || l.rates == nil || l.loopback && client.IsLoopback() || l.rates.Take(client, limit.Tick(now.Sub(l.start))) {
		return verdict
	}
	switch {
	case l.onTrial:
		l.over.Add(1)
		return verdict
	case l.slip > 0 && rand.IntN(l.slip) == 0:
		return Slipped
	}
	return Limited
}

// slipped makes a reply that is no longer than the query, but for a cookie that is
// the client's first, of which an honest client makes the best: one with a cookie
// comes again with the cookie it is given (RFC 7873 section 5.2.3), any other over
// TCP.
func (r *reply) slipped(q *query) {
	r.fail(dns.RcodeSuccess, Slipped)
	q.edns.nsid = false // which is longer than the question for it
	if q.edns.cookie.present {
		r.rcode = dns.RcodeBadCookie
		return
	}
	r.buf[r.base+2] |= flagTC
}

// thrice is how long a message may be for its packet to be at most three times as
// long as the query's, IP and UDP headers counted.
func thrice(query []byte, client netip.Addr) int {
	headers := 48
	if client.Is4() {
		headers = 28
	}
	return 3*(headers+len(query)) - headers
}

// modest cuts a pool's answer of n records, which begins where buf ends, down to
// r.most: a client whose address may be forged gets fewer members, but one. One
// that is too long for the transport is left to be truncated.
func (r *reply) modest(with []byte, n int) ([]byte, int) {
	if over := len(with) - r.most; over > 0 && n > 1 && len(with) <= r.limit {
		each := (len(with) - len(r.buf)) / n
		cut := min(n-1, (over+each-1)/each)
		return with[:len(with)-cut*each], n - cut
	}
	return with, n
}
