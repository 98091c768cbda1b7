package responder

import (
	"crypto/sha1"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The list as Debian has it.
func published(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/leap-seconds.list")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until2100 is the published list with a deleted second at the end of 2029, and
// an expiry to match, its hash made anew.
func until2100(t testing.TB) *Leaps {
	t.Helper()
	const updated, expires = "3900000000", "6311433600"
	digits, lines := updated+expires, "#$ "+updated+"\n#@ "+expires+"\n"
	for _, line := range append(strings.Split(published(t), "\n"), "4102444800 36 # 1 Jan 2030") {
		if f := strings.Fields(line); len(f) > 1 && f[0][0] != '#' {
			digits, lines = digits+f[0]+f[1], lines+line+"\n"
		}
	}
	sum := sha1.Sum([]byte(digits))
	for i := 0; i < 20; i += 4 {
		word := uint32(sum[i])<<24 | uint32(sum[i+1])<<16 | uint32(sum[i+2])<<8 | uint32(sum[i+3])
		digits += fmt.Sprintf(" %x", word)
	}
	l, err := ReadLeaps(strings.NewReader(lines + "#h" + digits[strings.Index(digits, " "):] + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func only(l *Leaps) func() *Leaps { return func() *Leaps { return l } }

// A file that is replaced while the clock runs is in force with the next Poll.
func TestLeapsAreReplaced(t *testing.T) {
	var inForce atomic.Pointer[Leaps]
	c := NewClock(-20, nil, (&voice{state: State{Stratum: 2}}).source("chronyd"))
	c.Leaps = inForce.Load
	soon := step{time.Now().Add(6 * time.Hour), time.Second}
	for want, l := range []*Leaps{nil, {Expires: soon.at.AddDate(1, 0, 0), steps: []step{soon}}, {Expires: soon.at.AddDate(-1, 0, 0)}} {
		inForce.Store(l)
		c.Poll(t.Context())
		if a := c.Announced(); int(a.State.Leap) != want%2 || (a.Why != nil) != (want == 2) {
			t.Errorf("%+v: leap %d, %v", l, a.State.Leap, a.Why)
		}
	}
}

// While a second is smeared its reference changes all the time, which is no news.
func TestSmearIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		soon := step{time.Now().Add(6 * time.Hour), time.Second}
		c := NewClock(-20, slog.New(slog.NewTextHandler(&out, nil)), (&voice{state: State{Stratum: 2}}).source("chronyd"))
		c.Leaps, c.Smear = only(&Leaps{Expires: soon.at.AddDate(1, 0, 0), steps: []step{soon}}), true
		references := map[uint32]bool{}
		for range 5 {
			c.Poll(t.Context())
			references[c.State().RefID] = true
			time.Sleep(time.Second)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 || len(references) != 5 {
			t.Errorf("%d lines, want 1; references %v\n%s", n, references, out.String())
		}
	})
}

func TestReadLeaps(t *testing.T) {
	list := published(t)
	l, err := ReadLeaps(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	last := l.steps[len(l.steps)-1]
	if len(l.steps) != 27 || last.second != time.Second || last.at != time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC) || l.Expires.Year() < 2025 {
		t.Errorf("%d leap seconds, the last %+v, expires %v", len(l.steps), last, l.Expires)
	}
	for name, text := range map[string]string{
		"":                                   "no leap-seconds.list",
		"1\n":                                "unknown form",
		"#@ x\n":                             "no number",
		"#@ 1 2\n":                           "unknown form",
		"2272060800 -":                       "no number",
		strings.Replace(list, "#h", "# ", 1): "SHA-1",
		strings.Replace(list, "37", "38", 1): "cut or edited",
	} {
		_, err := ReadLeaps(strings.NewReader(name))
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%.40q…: %v, want %q", name, err, text)
		}
	}
}

func FuzzReadLeaps(f *testing.F) {
	f.Add(published(f))
	f.Add("#h 1\n#@ 1\n1 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ReadLeaps(strings.NewReader(text)); err == nil && (l.Expires.IsZero() || len(l.steps) == 0) {
			t.Errorf("%+v", l)
		}
	})
}

func TestLeapIsAnnounced(t *testing.T) {
	insert, remove := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		now         time.Time
		leap, smear uint8 // announced without smear; with it, 1 where it smears
		expired     bool
	}{
		{insert.Add(-25 * time.Hour), 0, 0, false},
		{insert.Add(-23 * time.Hour), 1, 0, false},
		{insert.Add(-11 * time.Hour), 1, 1, false},
		{insert, 0, 1, false},
		{insert.Add(13 * time.Hour), 0, 0, false},
		{remove.Add(-time.Second), 2, 1, false},
		{remove, 0, 1, false},
		{time.Date(2100, 2, 1, 0, 0, 0, 0, time.UTC), 0, 0, true},
	} {
		for _, smears := range []bool{false, true} {
			c := &Clock{Leaps: only(until2100(t)), Smear: smears}
			s := State{Stratum: 1, RefID: 7}
			err := c.leap(&s, x.now)
			want := x.leap
			if smears {
				want = 0
			}
			if s.Leap != want || (s.smear != nil) != (smears && x.smear == 1) || (err != nil) != x.expired || (s.RefID>>24 == 254) != (s.smear != nil) {
				t.Errorf("%v, smear %v: %+v, %v", x.now, smears, s, err)
			}
		}
	}
	// What the source knows stands, but not where the second is smeared.
	s := State{Leap: 1, Stratum: 2}
	c := &Clock{Leaps: only(until2100(t))}
	if c.leap(&s, insert.Add(-48*time.Hour)); s.Leap != 1 {
		t.Error("the source's announcement is gone")
	}
	c.Smear = true
	if c.leap(&s, time.Date(2100, 2, 1, 0, 0, 0, 0, time.UTC)); s.Leap != 1 {
		t.Error("neither announced nor smeared, for the file expired")
	}
	if c.leap(&s, insert.Add(-48*time.Hour)); s.Leap != 0 {
		t.Error("announced and smeared")
	}
}

// Over the day around a leap second the time that is served runs at one rate,
// without a step, while the system clock steps at midnight.
func TestSmear(t *testing.T) {
	for _, x := range []struct {
		at     time.Time
		second time.Duration
	}{
		{time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), time.Second},
		{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), -time.Second},
	} {
		c := &Clock{Leaps: only(until2100(t)), Smear: true}
		noon := x.at.Add(-smearHalf)
		total := 2*smearHalf + x.second
		var before time.Time
		for past := time.Second; past < total; past += 997 * time.Millisecond { // true time
			now := noon.Add(past)
			if !now.Before(x.at.Add(min(0, x.second))) {
				now = now.Add(-x.second)
			}
			s := State{Stratum: 1}
			if err := c.leap(&s, now); err != nil || s.smear == nil {
				t.Fatal(now, err)
			}
			if now.Sub(x.at).Abs() < 3*time.Second { // the base is older: only with a monotonic clock
				continue
			}
			served := now.Add(s.smear.offset(now))
			want := noon.Add(time.Duration(float64(past) / float64(total) * float64(2*smearHalf)))
			if served.Sub(want).Abs() > time.Microsecond {
				t.Fatalf("%v after noon: %v is served, want %v", past, served, want)
			}
			if rate := served.Sub(before); !before.IsZero() && (rate < 990*time.Millisecond || rate > 1005*time.Millisecond) && rate < 5*time.Second {
				t.Fatalf("%v after noon: %v passed", past, rate)
			}
			before = served
		}
	}
	if id := smearID(-500 * time.Millisecond); id != 0xfee00000 {
		t.Errorf("%x", id)
	}
	if id := smearID(time.Second / 4); id != 0xfe100000 {
		t.Errorf("%x", id)
	}
}

// In the seconds around midnight time passed is the monotonic clock's: the
// system clock may say what it likes.
func TestSmearOverTheStep(t *testing.T) {
	at := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Clock{Leaps: only(until2100(t)), Smear: true}
	first := c.smearing(step{at, time.Second}, at.Add(-4*time.Second))
	if again := c.smearing(step{at, time.Second}, at.Add(-2*time.Second)); again != first {
		t.Error("another base just before the step")
	}
	// time.Now carries both clocks; m.base and now differ by the monotonic one.
	base := time.Now()
	m := &smear{step{base.Round(0), time.Second}, base, smearHalf}
	if got, want := m.offset(base.Add(time.Second)), -(smearHalf+time.Second)/86401; (got - want).Abs() > time.Microsecond {
		t.Errorf("%v, want %v", got, want)
	}
	state := State{Stratum: 1, smear: m}
	request := packet(4, 3)
	now := StampOf(time.Now())
	reply := fill(nil, request, now, now, 0, &state)
	if got := stampIn(reply, 40).Sub(now); got > -499*time.Millisecond || got < -502*time.Millisecond {
		t.Errorf("half way through, %v is added", got)
	}
}

// What is served and what is scored as right agree over the whole day, the
// second itself included, whenever the clock that compares steps.
func TestSmeared(t *testing.T) {
	leaps := until2100(t)
	for _, x := range []struct {
		at     time.Time
		second time.Duration
	}{
		{time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), time.Second},
		{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), -time.Second},
	} {
		noon, total := x.at.Add(-smearHalf), 2*smearHalf+x.second
		near := func(what string, got, want time.Duration) {
			t.Helper()
			if (got - want).Abs() > time.Microsecond {
				t.Fatalf("%v: %s: %v, want %v", x.at, what, got, want)
			}
		}
		check := func(past, late time.Duration) { // true time, and by how much the clock that compares steps late
			t.Helper()
			wall := noon.Add(past)
			if past >= smearHalf+late {
				wall = wall.Add(-x.second)
			}
			served := noon.Add(time.Duration(float64(past) / float64(total) * float64(2*smearHalf)))
			offset := served.Sub(wall)
			near(past.String()+" after noon", leaps.Smeared(wall, offset), offset)
		}
		for past := time.Millisecond; past < total; past += 613 * time.Millisecond {
			check(past, 0)
		}
		for late := -2 * time.Second; late <= 2*time.Second; late += 500 * time.Millisecond {
			for past := smearHalf - 20*time.Second; past < smearHalf+20*time.Second; past += 10 * time.Millisecond {
				check(past, late)
			}
		}
		// One that steps with the clock that compares is as wrong as it is.
		near("at six, of one that steps", leaps.Smeared(x.at.Add(-smearHalf/2), 0).Round(10*time.Microsecond), -x.second/4)
		near("at midnight, of one that steps", leaps.Smeared(x.at, 0).Abs().Round(time.Millisecond), time.Second/2)
		for _, quiet := range []time.Duration{-smearHalf, smearHalf, -30 * 24 * time.Hour} {
			near("on another day", leaps.Smeared(x.at.Add(quiet), time.Second), 0)
		}
	}
	late := *leaps
	late.Expires = time.Date(2016, 12, 28, 0, 0, 0, 0, time.UTC)
	for _, l := range []*Leaps{nil, &late} {
		if got := l.Smeared(time.Date(2016, 12, 31, 18, 0, 0, 0, time.UTC), 0); got != 0 {
			t.Errorf("%+v: %v", l, got)
		}
	}
}
