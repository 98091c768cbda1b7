package web

import (
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
)

func TestTimesInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "+0 µs", -400: "+0 µs", -600: "−1 µs", 12 * time.Microsecond: "+12 µs", -999 * time.Microsecond: "−999 µs",
		3400 * time.Microsecond: "+3.4 ms", -300 * time.Millisecond: "−300 ms", 1500 * time.Millisecond: "+1.5 s",
	} {
		if got := offset(d); got != want {
			t.Errorf("offset(%v) = %q, want %q", d, got, want)
		}
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 119 * time.Minute: "119 min",
		2 * time.Hour: "2 h", 47 * time.Hour: "47 h", 48 * time.Hour: "2 d",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("ago(%v) = %q, want %q", d, got, want)
		}
	}
	if got := ago(now, time.Time{}); got != "never" {
		t.Errorf("ago(zero) = %q", got)
	}
}

func TestVerdict(t *testing.T) {
	for want, m := range map[string]monitor.Member{
		"in":      {State: "active", In: true, Standing: "in"},
		"resort":  {State: "active", In: true, Standing: "resort"},
		"out":     {State: "active", Standing: "resort"},
		"drain":   {State: "drain", Standing: "in"},
		"off":     {State: "off"},
		"monitor": {State: "monitor", Standing: "in"},
	} {
		if got := verdict(&m); got != want {
			t.Errorf("verdict(%+v) = %q, want %q", m, got, want)
		}
		if marks[want] == "" {
			t.Errorf("%s has no mark", want)
		}
	}
	if got := verdict(&monitor.Member{State: "a state nobody knows"}); got != "out" {
		t.Errorf("an unknown state is %q, want out", got)
	}
}
