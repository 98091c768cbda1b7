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
	if c.Smear { // a client that inserts the second as well would be off by it
		s.Leap = 0
		if next, ok := leaps.near(now, smearHalf); ok {
			s.smear = c.smearing(next, now)
			s.Smearing = s.smear.offset(now)
			s.RefID = smearID(s.Smearing)
		}
		return nil
	}
	if next, ok := leaps.near(now, 2*smearHalf); ok && now.Before(next.at) {
		s.Leap = 1
		if next.second < 0 {
			s.Leap = 2
		}
	}
	return nil
}
