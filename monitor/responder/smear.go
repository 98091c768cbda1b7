package responder

import "time"

// smearHalf is from noon to the leap second, and from there to noon.
const smearHalf = 12 * time.Hour

// past is the true time since noon when a clock that steps at s shows wall; near
// midnight it does so twice, before and after it stepped.
func (s step) past(wall time.Time, stepped bool) time.Duration {
	past := wall.Sub(s.at) + smearHalf
	if stepped {
		past += s.second
	}
	return past
}

// spread is the part of the second that has been spread after so much true time
// since noon: linearly, from noon to noon UTC, as public servers that smear do.
func (s step) spread(past time.Duration) time.Duration {
	return time.Duration(float64(past) * float64(s.second) / float64(2*smearHalf+s.second))
}

// smear spreads a leap second. The system clock steps at midnight and says so to
// nobody, so time passed is taken from the monotonic clock, counted from an
// instant that is surely on one side of the step.
type smear struct {
	step
	base time.Time
	past time.Duration // true time from noon to base
}

// smearing gives the smear around s; now becomes its base unless it is too near to s.
func (c *Clock) smearing(s step, now time.Time) *smear {
	if last := c.smeared; last != nil && last.step == s && now.Sub(s.at).Abs() < 3*time.Second {
		return last
	}
	c.smeared = &smear{s, now, s.past(now, !now.Before(s.at))}
	return c.smeared
}

// offset is smeared time minus the system clock at now, between −1 and 1 s.
func (m *smear) offset(now time.Time) time.Duration {
	past := m.past + now.Sub(m.base)
	return m.at.Add(past - smearHalf - m.spread(past)).Sub(now.Round(0))
}

// Smeared is what spreading a leap second over the day around it adds to the time
// as a clock shows it that steps: an inserted one from 0 at noon UTC to −½ s at
// midnight, and from ½ s after the step back to 0 at noon. It is 0 on all other
// days, for a nil l, and once l expired.
//
// Within 15 s of midnight nobody knows on which side of its step a clock was when
// it was compared with another; there it is what comes nearer to offset.
func (l *Leaps) Smeared(now time.Time, offset time.Duration) time.Duration {
	const unsure = 15 * time.Second // what a check may take, and more
	if l == nil || now.After(l.Expires) {
		return 0
	}
	s, ok := l.near(now, smearHalf)
	if !ok {
		return 0
	}
	before, after := -s.spread(s.past(now, false)), s.second-s.spread(s.past(now, true))
	switch since := now.Sub(s.at); {
	case since < -unsure, since < unsure && (offset-before).Abs() < (offset-after).Abs():
		return before
	}
	return after
}

// smearID is how ntpd shows that it smears: 254 and the offset in 24 bits, of
// which 22 are the fraction of a second.
func smearID(offset time.Duration) uint32 {
	return 254<<24 | uint32(int64(offset)<<22/1e9)&(1<<24-1)
}
