package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// The monitoring protocol of chronyd, version 6: what chronyc speaks to UDP
// port 323. Offsets are octets, integers big-endian. Requests are padded to
// the length of their reply.
const (
	chronyVersion  = 6
	chronyRequest  = 1
	chronyReply    = 2
	chronyTracking = 33 // the command
	chronyReport   = 5  // the format of its reply
	chronyLen      = 104
)

// Chronyd asks the chronyd of this host for its tracking report, normally at
// 127.0.0.1:323. What is announced is chronyd's own stratum and reference id,
// not one more: it is the same clock. The correction that the system clock
// still awaits is added to the dispersion; above 10 ms the clock counts as
// unsynchronised.
func Chronyd(addr netip.AddrPort) Source {
	var request [chronyLen]byte
	request[0], request[1] = chronyVersion, chronyRequest
	binary.BigEndian.PutUint16(request[4:], chronyTracking)
	return daemon("chronyd", addr, request[:], 8, 16, func(p []byte, _, now time.Time) (State, error) { return tracking(p, now) })
}

// tracking reads a reply to the tracking command, 20 octets at least, received
// at now.
func tracking(p []byte, now time.Time) (State, error) {
	switch status := binary.BigEndian.Uint16(p[8:]); {
	case p[0] != chronyVersion:
		return State{}, fmt.Errorf("speaks version %d of its command protocol, not %d", p[0], chronyVersion)
	case status != 0:
		return State{}, fmt.Errorf("refuses the tracking report (status %d)", status)
	case p[1] != chronyReply || binary.BigEndian.Uint16(p[6:]) != chronyReport || len(p) < chronyLen:
		return State{}, errors.New("sends a tracking report of an unknown format")
	}
	sec := int64(binary.BigEndian.Uint32(p[60:]))
	if high := binary.BigEndian.Uint32(p[56:]); high != math.MaxInt32 { // which says "32 bits only"
		sec |= int64(high) << 32
	}
	stratum, leap := binary.BigEndian.Uint16(p[52:]), binary.BigEndian.Uint16(p[54:])
	s := State{
		Leap:           uint8(min(leap, NotInSync)),
		Stratum:        uint8(min(stratum, MaxStratum)),
		RefID:          binary.BigEndian.Uint32(p[28:]),
		RefTime:        time.Unix(sec, int64(binary.BigEndian.Uint32(p[64:]))),
		RootDelay:      chronyFloat(p[92:]),
		RootDispersion: chronyFloat(p[96:]),
		Since:          now,
	}
	return corrected(s, chronyFloat(p[68:])), nil
}

// chronyFloat reads seconds in chronyd's own floating point: 7 bits of signed
// exponent, 25 of signed coefficient, value coefficient·2^(exponent−25).
func chronyFloat(p []byte) time.Duration {
	x := int32(binary.BigEndian.Uint32(p))
	exponent, coefficient := x>>25, x<<7>>7
	seconds := math.Ldexp(float64(coefficient), int(exponent)-25)
	// 2⁶² ns is 146 years; beyond it a conversion would wrap.
	return time.Duration(max(-1<<62, min(1<<62, seconds*1e9)))
}
