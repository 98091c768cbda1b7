package responder

import (
	"testing"
	"time"
)

func TestParseRefID(t *testing.T) {
	for _, c := range []struct {
		text    string
		stratum uint8
		want    uint32
	}{
		{"GPS", 1, 'G'<<24 | 'P'<<16 | 'S'<<8},
		{"DCFa", 1, 'D'<<24 | 'C'<<16 | 'F'<<8 | 'a'},
		{"192.0.2.1", 2, 192<<24 | 2<<8 | 1},
		{"::ffff:192.0.2.1", 3, 192<<24 | 2<<8 | 1},
		// The first octets of md5(20 01 0d b8 00 … 00 01).
		{"2001:db8::1", 2, 0x39ab9b37},
	} {
		if got, err := ParseRefID(c.text, c.stratum); err != nil || got != c.want {
			t.Errorf("%q at %d: %#x %v, want %#x", c.text, c.stratum, got, err, c.want)
		}
	}
	for _, c := range []struct {
		text    string
		stratum uint8
	}{{"", 1}, {"GPSDO", 1}, {"G\x00S", 1}, {"DÜS", 1}, {"G S", 1}, {"GPS", 2}, {"", 2}, {"192.0.2", 2}} {
		if got, err := ParseRefID(c.text, c.stratum); err == nil {
			t.Errorf("%q at %d: %#x, want a fault", c.text, c.stratum, got)
		}
	}
}

func TestDispersionGrows(t *testing.T) {
	s := State{RootDispersion: time.Millisecond, Since: instant}
	for after, want := range map[time.Duration]time.Duration{
		0: time.Millisecond, 1000 * time.Second: 16 * time.Millisecond,
		5 * time.Minute: 5500 * time.Microsecond, -time.Hour: time.Millisecond,
	} {
		if got := s.dispersion(StampOf(instant.Add(after))); (got - want).Abs() > time.Nanosecond {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
	s.Since = time.Time{}
	if got := s.dispersion(StampOf(instant)); got != time.Millisecond {
		t.Errorf("grew to %v without a start", got)
	}
}

func TestPrecision(t *testing.T) {
	// Between a nanosecond and the 15.6 ms tick of an old Windows.
	if p := Precision(); p < -30 || p > -5 {
		t.Errorf("precision %d", p)
	}
}
