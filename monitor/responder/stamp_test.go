package responder

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStampOf(t *testing.T) {
	era1 := time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)
	for at, want := range map[time.Time]Stamp{
		{}:                0,
		time.Unix(0, 0):   2208988800 << 32,
		time.Unix(0, 5e8): 2208988800<<32 | 1<<31,
		time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC):        3155673599 << 32, // RFC 5905 figure 4
		time.Date(1900, 1, 1, 0, 0, 1, 0, time.UTC):             1 << 32,
		time.Date(2036, 2, 7, 6, 28, 15, 999_999_999, time.UTC): 4294967295<<32 | 4294967292,
		era1:                    1, // zero would say "not known"
		era1.Add(time.Second):   1 << 32,
		era1.Add(1 << 32 * 1e9): 1,
		era1.Add(1<<32*1e9 + 1): 5,
	} {
		if got := StampOf(at); got != want {
			t.Errorf("%v: %#x, want %#x", at, got, want)
		}
	}
}

func TestStampRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// 1900 to 2172: two eras.
		at := time.Unix(rapid.Int64Range(-unixEra0, 3*1<<31).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		apart := time.Duration(rapid.Int64Range(-67*365*86400, 67*365*86400).Draw(t, "apart")) * time.Second
		if got := StampOf(at).Time(at.Add(apart)); got.Sub(at).Abs() > 1 {
			t.Fatalf("%v read back as %v", at, got)
		}
		if d := StampOf(at.Add(apart)).Sub(StampOf(at)); (d - apart).Abs() > 1 {
			t.Fatalf("difference %v, want %v", d, apart)
		}
		shift := time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "shift"))
		if d := StampOf(at).Add(shift).Sub(StampOf(at.Add(shift))); d.Abs() > 1 {
			t.Fatalf("shifted by %v: %v off", shift, d)
		}
	})
	if !Stamp(0).Time(time.Now()).IsZero() || Stamp(0).Add(time.Hour) != 0 {
		t.Error("an unknown stamp became known")
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		-time.Second: 0, 0: 0, 1: 1, time.Second: 1 << 16, 16 * time.Second: 16 << 16,
		time.Second + 1: 1<<16 + 1, 65536*time.Second - 1: 1<<32 - 1, 70000 * time.Second: 1<<32 - 1,
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %#x, want %#x", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 65535e9).Draw(t, "d"))
		if up := shortDuration(short(d)) - d; up < -1 || up > 15259 {
			t.Fatalf("%v became %v", d, shortDuration(short(d)))
		}
	})
}
