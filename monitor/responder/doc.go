// Package responder is the NTP server for member hosts (RFC 5905 §§ 7–9,
// server side).
//
//	chronyd, ntpd, kernel, flags ── Source ──> Clock ── *State ──┐
//	request ── accept ── Limiter ── fill ── reply   <────────────┘
//
// accept and fill are pure: packet, stamps and State in, Verdict and packet out.
// Clock asks the host's own sources what they know and announces that and nothing
// else. Server moves packets between sockets and these, with kernel receive
// stamps where the system gives them, and remembers when replies left, for
// clients in interleaved mode. A Clock also knows leap seconds from a file, may
// smear them, and can be drained: it then says that it is no clock to follow.
//
// It never sets a clock, and of ours it imports zones/limit and zones/precedence
// alone, so a member host can run it without the rest. ntpd and chronyd remain
// the better choice where they already serve; this is for hosts whose clock is
// kept by something else, or whose daemon shall not face the network.
package responder
