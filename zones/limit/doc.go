// Package limit bounds how much networks may ask of a server that answers
// datagrams from addresses that may be spoofed.
//
//	address ── its prefixes of each width ── a keyed hash ── a leaky bucket each ──> within or over
//
// It knows nothing of what is asked: the name server and the NTP server each
// decide what to do about a request that is over. Nor does it know of time:
// callers say the instant, so that one reading of a clock does for many requests.
package limit
