package resolver

import "sync/atomic"

// Verdict is what became of one query. Each is one counter.
type Verdict uint8

// The verdicts. A truncated reply is Truncated whatever it would have said.
const (
	Dropped     Verdict = iota // no reply: a response, under 12 octets, or over 4 KiB by UDP
	Answered                   // NOERROR with records
	NoData                     // NOERROR without records: the name exists
	NXDomain                   // the name does not exist
	Truncated                  // TC: what was asked for does not fit
	Refused                    // outside the zones, another class, NOTIFY, UPDATE, transfers
	ServFail                   // a pool name with nobody to hand out
	FormErr                    // malformed (RFC 1035 section 4, RFC 6891, RFC 7871)
	NotImp                     // an opcode nobody here knows
	BadVers                    // an EDNS version above 0
	Referred                   // NOERROR with a delegation's name servers
	NotAuth                    // not rightly signed (RFC 8945), or a transfer of what is no zone here
	Transferred                // a zone copied to a secondary
	Unready                    // no reply: nothing was published yet
	Panicked                   // no reply: a bug of ours, caught
	Denied                     // no reply: from a network in Limits.Deny
	Limited                    // no reply: over the rate
	Slipped                    // over the rate: TC, or BADCOOKIE with a cookie
)

// Verdicts is how many there are; they are numbered from 0.
const Verdicts = int(Slipped) + 1

// String returns the verdict in lower case, as metrics name it.
func (v Verdict) String() string {
	return [Verdicts]string{
		"dropped", "answered", "nodata", "nxdomain", "truncated", "refused",
		"servfail", "formerr", "notimp", "badvers", "referred", "notauth", "transferred", "unready", "panicked",
		"denied", "limited", "slipped",
	}[v]
}

// tally counts verdicts. Each loop has its own, far enough from the next that
// two loops never write to one cache line; readers add them up.
type tally struct {
	n [Verdicts]atomic.Uint64
	_ [64]byte
}

func (t *tally) count(v Verdict) { t.n[v].Add(1) }

func (t *tally) addTo(sum *[Verdicts]uint64) {
	for v := range t.n {
		sum[v] += t.n[v].Load()
	}
}
