package monitor

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

func TestOverridesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	open := func() *History {
		h, err := OpenHistory(path, HistoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open()
	if record, err := h.Overrides(); err != nil || record != nil {
		t.Fatalf("a new store: %v, %v", record, err)
	}
	at := time.Date(2026, 3, 1, 22, 0, 0, 123, time.UTC)
	want := []zones.Override{
		{Member: "a", State: zones.Drain, Reason: "CHG-1", By: "root (uid 0)", At: at, Until: at.Add(time.Hour)},
		{Member: "a", State: zones.Active, Reason: "done", By: "uid 1234", At: at.Add(time.Minute)},
		{Member: "b", State: zones.Off, Reason: "größer", By: "somebody", At: at.Add(time.Minute)},
	}
	for _, o := range want {
		if err := h.PutOverride(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open()
	defer h.Close()
	record, err := h.Overrides()
	if err != nil || fmt.Sprint(record) != fmt.Sprint(want) {
		t.Errorf("got  %v, %v\nwant %v", record, err, want)
	}
}

// The record is bounded, and what counts is never given up.
func TestOverridesAreBounded(t *testing.T) {
	h, err := OpenHistory(filepath.Join(t.TempDir(), "timepool.db"), HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.db.NoSync = true
	at := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	put := func(member string, n int) {
		if err := h.PutOverride(zones.Override{Member: member, State: zones.Drain, Reason: fmt.Sprint(n), At: at.Add(time.Duration(n) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	put("old", 0)
	for n := range overridesMax {
		put("often", n+1)
	}
	record, err := h.Overrides()
	if err != nil || len(record) != overridesMax || record[0].Member != "old" || record[1].Reason != "2" {
		t.Errorf("%d overrides, the first two %v, %v", len(record), record[:min(2, len(record))], err)
	}
}
