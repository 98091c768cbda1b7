// Package responder is the NTP server for member hosts (RFC 5905 §§ 7–9,
// server side): a pure reply function, a clock state that it announces and
// never makes up, and a socket loop.
//
// It imports nothing of ours, so a member host can run it without the rest.
// ntpd and chronyd remain the better choice where they already run; this is
// for hosts whose clock is kept by something else.
package responder
