package responder

import "time"

// smearHalf is from noon to the leap second, and from there to noon.
const smearHalf = 12 * time.Hour

// smear spreads a leap second linearly over the day around it, from noon to noon
// UTC, as public servers that smear do. The system clock steps at midnight and
// says so to nobody, so time passed is taken from the monotonic clock, counted
// from an instant that is surely on one side of the step.
type smear struct {
	noon  time.Time
	total time.Duration // from noon to noon: 86400 s and the leap second
	base  time.Time
	past  time.Duration // true time from noon to base
}

// smearing gives the smear around s; now becomes its base unless it is too near to s.
func (c *Clock) smearing(s step, now time.Time) *smear {
	second := time.Second
	if !s.insert {
		second = -second
	}
	if last := c.smeared; last != nil && now.Sub(s.at).Abs() < 3*time.Second {
		return last
	}
	m := &smear{noon: s.at.Add(-smearHalf), total: 2*smearHalf + second, base: now}
	m.past = now.Round(0).Sub(m.noon)
	if !now.Before(s.at) {
		m.past += second
	}
	c.smeared = m
	return m
}

// offset is smeared time minus the system clock at now, between −1 and 1 s.
func (m *smear) offset(now time.Time) time.Duration {
	past := m.past + now.Sub(m.base)
	behind := time.Duration(float64(past) * float64(m.total-2*smearHalf) / float64(m.total))
	return m.noon.Add(past - behind).Sub(now.Round(0))
}

// smearID is how ntpd shows that it smears: 254 and the offset in 24 bits, of
// which 22 are the fraction of a second.
func smearID(offset time.Duration) uint32 {
	return 254<<24 | uint32(int64(offset)<<22/1e9)&(1<<24-1)
}
