package responder

import (
	"encoding/binary"
	"time"
)

// Stamp is an NTP timestamp (RFC 5905 §6): seconds and 2⁻³² fractions since
// the start of an era of 2³² s. Era 0 began in 1900, era 1 begins on
// 2036-02-07 06:28:16 UTC. A Stamp carries no era, so two of them are compared
// and subtracted modulo 2⁶⁴, which is right within ±68 years. Zero means
// "not known".
type Stamp uint64

// unixEra0 is the Unix epoch in seconds of era 0.
const unixEra0 = 2208988800

// StampOf gives the Stamp of t in whatever era t lies. It is zero only for the
// zero time: the very first instant of an era is moved by 2⁻³² s.
func StampOf(t time.Time) Stamp {
	if t.IsZero() {
		return 0
	}
	return stampOf(t.Unix(), int64(t.Nanosecond()))
}

// stampOf is StampOf for a Unix time; 0 ≤ nsec < 1e9. The fraction is rounded
// up to the next 2⁻³² s, so that Time gives the same nanosecond back.
func stampOf(sec, nsec int64) Stamp {
	s := Stamp(uint64(sec+unixEra0)<<32 + (uint64(nsec)<<32+999999999)/1e9)
	return max(s, 1)
}

// stampIn reads the stamp at that octet of a packet.
func stampIn(p []byte, at int) Stamp { return Stamp(binary.BigEndian.Uint64(p[at:])) }

// Sub gives s − t, for stamps less than 68 years apart.
func (s Stamp) Sub(t Stamp) time.Duration {
	d := int64(s - t)
	return time.Duration(d>>32)*time.Second + time.Duration(uint64(uint32(d))*1e9>>32)
}

// Add gives s + d; an unknown stamp stays unknown.
func (s Stamp) Add(d time.Duration) Stamp {
	if s == 0 || d == 0 {
		return s
	}
	sec, nsec := d/time.Second, d%time.Second
	return max(s+Stamp(int64(sec)<<32+int64(nsec)<<32/1e9), 1)
}

// Time gives the instant meant by s: the one closest to near, which settles
// the era. It is the zero time for an unknown stamp.
func (s Stamp) Time(near time.Time) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return near.Round(0).Add(s.Sub(StampOf(near)))
}

// short gives d in NTP short format (RFC 5905 §6: 16 bits of seconds, 16 of
// fraction), rounded up, for a bound must not shrink on its way; 0 to 65536 s.
func short(d time.Duration) uint32 {
	switch {
	case d <= 0:
		return 0
	case d >= 1<<16*time.Second:
		return 1<<32 - 1
	}
	return uint32(min((uint64(d)<<16+999999999)/1e9, 1<<32-1))
}

// shortDuration is the inverse of short.
func shortDuration(s uint32) time.Duration {
	return time.Duration(uint64(s) * 1e9 >> 16)
}
