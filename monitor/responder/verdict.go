package responder

import "fmt"

// Verdict says what became of one packet. One verdict is one counter.
type Verdict uint8

// The first four were answered, the rest met silence.
const (
	Answered    Verdict = iota // mode 3, or version 1 mode 0: a mode 4 reply with the time
	Passive                    // mode 1: a mode 2 reply with the time, nothing remembered
	Interleaved                // mode 3: a mode 4 reply that tells when the last one left (RFC 9769)
	Kissed                     // over the limit: kiss code RATE (RFC 5905 §7.4)
	Limited                    // over the limit: silence
	Denied                     // not for this client: Server.Allow and Deny
	Silent                     // State gave nil
	BadLength                  // no NTP packet has this length
	BadVersion                 // not 1 to 4
	BadMode                    // mode 2, 4, 5, or 0 where it is no request
	Control                    // mode 6: ntpq
	Private                    // mode 7: ntpdc, monlist
	BadField                   // extension fields against RFC 7822
	MAC                        // authenticated; keys are not supported, and an answer without would not be believed
	Unsent                     // the system did not take the reply
	verdicts
)

var verdictNames = [verdicts]string{"answered", "passive", "interleaved", "kissed", "limited", "denied", "silent", "bad_length",
	"bad_version", "bad_mode", "control", "private", "bad_field", "mac", "unsent"}

// String names v as metrics do.
func (v Verdict) String() string {
	if v < verdicts {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Replied reports whether a packet with v gets a reply.
func (v Verdict) Replied() bool { return v <= Kissed }

// Counters is the number of packets by Verdict: for v, n := range counters,
// Verdict(v).String() names n.
type Counters [verdicts]uint64
