package responder

import (
	"bufio"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Leaps is a leap-seconds.list, the file that IERS and NIST publish.
type Leaps struct {
	Expires time.Time // nothing is known of leap seconds after it
	steps   []step    // oldest first
}

// step is a leap second: the first instant after it, and what was inserted: 1 s,
// or −1 s where it was deleted.
type step struct {
	at     time.Time
	second time.Duration
}

// ReadLeaps reads a leap-seconds.list. A file whose SHA-1 line is missing or
// does not fit is refused: it has been cut or edited.
func ReadLeaps(r io.Reader) (*Leaps, error) {
	l := &Leaps{}
	digest, want := sha1.New(), ""
	last := int64(-1)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line, mark := lines.Text(), ""
		if strings.HasPrefix(line, "#") {
			mark = line[:min(2, len(line))]
		}
		text, _, _ := strings.Cut(line[len(mark):], "#")
		fields := strings.Fields(text)
		if mark == "#h" {
			for _, word := range fields { // written without leading zeros
				want += strings.Repeat("0", max(0, 8-len(word))) + word
			}
		}
		if len(fields) == 0 || mark != "" && mark != "#$" && mark != "#@" {
			continue
		}
		var numbers []int64
		for _, f := range fields {
			io.WriteString(digest, f)
			number, err := strconv.ParseInt(f, 10, 64)
			if err != nil || number < 0 {
				return nil, fmt.Errorf("line %d: %q is no number", n, f)
			}
			numbers = append(numbers, number)
		}
		switch {
		case mark == "#$" && len(numbers) == 1: // when it was last changed
		case mark == "#@" && len(numbers) == 1:
			l.Expires = time.Unix(numbers[0]-unixEra0, 0).UTC()
		case mark == "" && len(numbers) == 2:
			if at := time.Unix(numbers[0]-unixEra0, 0).UTC(); last >= 0 {
				second := time.Second
				if numbers[1] < last {
					second = -second
				}
				l.steps = append(l.steps, step{at, second})
			}
			last = numbers[1]
		default:
			return nil, fmt.Errorf("line %d: unknown form", n)
		}
	}
	switch got := fmt.Sprintf("%x", digest.Sum(nil)); {
	case lines.Err() != nil:
		return nil, lines.Err()
	case l.Expires.IsZero() || len(l.steps) == 0:
		return nil, errors.New("no leap-seconds.list: it has no leap seconds, or no date when it expires")
	case got != want:
		return nil, fmt.Errorf("its SHA-1 is %s, its #h line says %q: cut or edited", got, want)
	}
	return l, nil
}

// near gives the leap second within d of now.
func (l *Leaps) near(now time.Time, d time.Duration) (step, bool) {
	for _, s := range l.steps {
		if now.Sub(s.at).Abs() < d {
			return s, true
		}
	}
	return step{}, false
}

// leap has s announce what the leap file knows: on the day before a leap second
// that it comes, or with Smear, nothing, and the time with the leap second spread
// from noon to noon instead. A file that expired says nothing, which err tells.
func (c *Clock) leap(s *State, now time.Time) error {
	if c.Leaps == nil || !s.Synchronised() {
		return nil
	}
	leaps := c.Leaps()
	if leaps == nil {
		return nil
	}
	if now.After(leaps.Expires) { // nothing is smeared then, and what the source announces stands
		return fmt.Errorf("the leap file expired on %s", leaps.Expires.Format(time.DateOnly))
	}
	next, ok := leaps.near(now, 2*smearHalf)
	switch {
	case c.Smear:
		s.Leap = 0 // a client that inserts the second as well would be off by it
		if ok && now.Sub(next.at).Abs() < smearHalf {
			s.smear = c.smearing(next, now)
			s.Smearing = s.smear.offset(now)
			s.RefID = smearID(s.Smearing)
		}
	case ok && now.Before(next.at) && next.second < 0:
		s.Leap = 2
	case ok && now.Before(next.at):
		s.Leap = 1
	}
	return nil
}

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
