package main

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

func TestSerialSurvivesRestart(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	path := filepath.Join(t.TempDir(), "serial.json")
	r := &zones.Registry{Zone: zones.Zone{Name: "pool.example"}}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

	first, due := loadSerial(path, log).next(r, now)
	if first.Serial != uint32(now.Unix()) || !due.IsZero() {
		t.Fatalf("first serial %d, due %s", first.Serial, due)
	}
	first.save(path, log)

	back := now.Add(-time.Hour) // the clock was set back over the restart
	again, _ := loadSerial(path, log).next(r, back)
	if again.Serial != first.Serial {
		t.Errorf("the same view moved the serial to %d", again.Serial)
	}
	r2 := &zones.Registry{Zone: zones.Zone{Name: "pool.example", TTL: time.Minute}}
	moved, _ := again.next(r2, back)
	if int32(moved.Serial-first.Serial) <= 0 {
		t.Errorf("serial went from %d to %d", first.Serial, moved.Serial)
	}
}

func TestSerialWaits(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s, _ := serialState{}.next(&zones.Registry{}, now)
	edited := &zones.Registry{Zone: zones.Zone{Floor: 9}}
	soon, due := s.next(edited, now.Add(time.Second))
	if soon.Serial != s.Serial || !due.After(now) {
		t.Errorf("moved after a second: %d to %d, due %s", s.Serial, soon.Serial, due)
	}
	later, due := soon.next(edited, due)
	if int32(later.Serial-s.Serial) <= 0 || !due.IsZero() {
		t.Errorf("not moved after the wait: %d to %d, due %s", s.Serial, later.Serial, due)
	}
}

func TestSerialFixed(t *testing.T) {
	s, _ := serialState{Serial: 7}.next(&zones.Registry{Zone: zones.Zone{Serial: 2026112201}}, time.Now())
	if s.Serial != 2026112201 {
		t.Errorf("serial %d", s.Serial)
	}
}

func TestSerialTorn(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	path := filepath.Join(t.TempDir(), "serial.json")
	if err := os.WriteFile(path, []byte(`{"serial": 12`), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := loadSerial(path, log); s.Serial != 0 {
		t.Errorf("torn file gave %d", s.Serial)
	}
}

// TestSerialFollowsMembers: who is handed out is part of what a secondary
// copies, why is not.
func TestSerialFollowsMembers(t *testing.T) {
	member := zones.Member{Name: "a", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	view := func(m zones.Member) string { return string(staticView(&zones.Registry{Members: []zones.Member{m}})) }
	before := view(member)
	member.Reason = "CHG-4711"
	if view(member) != before {
		t.Error("a reason moved the serial")
	}
	for what, edit := range map[string]func(*zones.Member){
		"address": func(m *zones.Member) { m.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.2")} },
		"state":   func(m *zones.Member) { m.State = zones.Drain },
		"weight":  func(m *zones.Member) { m.Netspeed = 5 },
	} {
		m := member
		if edit(&m); view(m) == before {
			t.Errorf("another %s is the same view", what)
		}
	}
}
