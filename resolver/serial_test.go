package resolver

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNextSerial(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		what            string
		fixed, previous uint32
		changed         bool
		age             time.Duration
		want            uint32
		wait            time.Duration
	}{
		{"the first ever", 0, 0, false, 0, 1_700_000_000, 0},
		{"nothing changed", 0, 1_600_000_000, false, time.Hour, 1_600_000_000, 0},
		{"a change", 0, 1_600_000_000, true, time.Hour, 1_700_000_000, 0},
		{"a change after five minutes", 0, 1_699_999_700, true, 5 * time.Minute, 1_700_000_000, 0},
		{"a change too soon", 0, 1_699_999_940, true, time.Minute, 1_699_999_940, 4 * time.Minute},
		{"the clock was set back", 0, 1_700_086_400, true, -24 * time.Hour, 1_700_086_401, 0},
		{"a serial by date before us", 0, 2026010100, true, time.Hour, 2026010101, 0},
		{"just less than half the circle ahead", 0, 1_700_000_000 + 1<<31 - 1, true, time.Hour, 1_700_000_000 + 1<<31, 0},
		{"just less than half the circle behind", 0, 1_700_000_000 + 1<<31 + 1, true, time.Hour, 1_700_000_000, 0},
		{"at the end of the circle", 0, 1<<32 - 1, true, time.Hour, 1_700_000_000, 0},
		{"fixed", 42, 1_699_999_999, true, 0, 42, 0},
		{"fixed already", 42, 42, true, time.Hour, 42, 0},
	} {
		serial, at, wait := NextSerial(c.fixed, c.previous, now.Add(-c.age), c.changed, now)
		if serial != c.want || wait != c.wait {
			t.Errorf("%s: %d wait %v, want %d wait %v", c.what, serial, wait, c.want, c.wait)
		}
		if given := at == now; c.age != 0 && given != (serial != c.previous) {
			t.Errorf("%s: given at %v", c.what, at)
		}
	}
}

// TestSerialNeverGoesBack: over any run of changes, restarts and clocks.
func TestSerialNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "now"), 0)
		serial, at := rapid.Uint32().Draw(t, "serial"), now
		for range 20 {
			now = now.Add(time.Duration(rapid.IntRange(-400, 100_000).Draw(t, "s")) * time.Second)
			changed := rapid.Bool().Draw(t, "changed")
			next, when, wait := NextSerial(0, serial, at, changed, now)
			switch {
			case next == 0:
				t.Fatal("0")
			case serial != 0 && int32(next-serial) < 0:
				t.Fatalf("%d after %d", next, serial)
			case serial != 0 && next != serial && (!changed || now.Sub(at) >= 0 && now.Sub(at) < serialEvery):
				t.Fatalf("%d after %d in %v", next, serial, now.Sub(at))
			case changed && serial != 0 && (next == serial) != (wait > 0):
				t.Fatalf("changed, %d after %d, wait %v", next, serial, wait)
			}
			serial, at = next, when
		}
	})
}
