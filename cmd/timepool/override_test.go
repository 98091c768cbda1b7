package main

import (
	"testing"
	"time"
)

func TestParseUntil(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 12, 31, 17, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"2h": "2026-12-31T19:00:00+01:00", "17:30": "2026-12-31T17:30:00+01:00", "17:00": "2027-01-01T17:00:00+01:00",
		"2027-03-01 08:00": "2027-03-01T08:00:00+01:00", "2027-03-01T08:00:00Z": "2027-03-01T08:00:00Z",
		"-2h": "", "2026-12-31 16:59": "", "tomorrow": "", "25:00": "", "0s": "",
	} {
		got, err := parseUntil(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
	if got, err := parseUntil("", now); err != nil || !got.IsZero() {
		t.Errorf("no end: %v, %v", got, err)
	}
}
