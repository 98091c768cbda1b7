package zones

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const worked = `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.53]}}
sites:
  fra: {country: de}
members:
  - {name: a, addresses: [10.16.0.1], site: fra}
  - {name: b, addresses: [10.16.0.2], tags: [dmz]}
  - {name: c, addresses: [10.16.0.3], state: off, reason: gone}
maintenance:
  once: {members: [a], start: "2026-03-01 22:00", for: 2h, drain: 30m, reason: CHG-1}
  weekly: {tags: [dmz], start: "2026-03-19 02:00", for: 1h, drain: 10m, every_days: 7, in: Europe/Berlin}
`

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWindows(t *testing.T) {
	r := load(t, worked)
	for _, c := range []struct {
		now    string
		states string // a, b, c; with ! when paused
		next   string
	}{
		{"2026-02-01 00:00", "active active off", "2026-03-01 21:30"},
		{"2026-03-01 21:29", "active active off", "2026-03-01 21:30"},
		{"2026-03-01 21:30", "drain active off", "2026-03-01 22:00"},
		{"2026-03-01 22:00", "drain! active off", "2026-03-02 00:00"},
		{"2026-03-01 23:59", "drain! active off", "2026-03-02 00:00"},
		{"2026-03-02 00:00", "active active off", "2026-03-19 00:50"},
		{"2026-03-19 00:50", "active drain off", "2026-03-19 01:00"}, // 02:00 in winter
		{"2026-03-19 01:59", "active drain! off", "2026-03-19 02:00"},
		{"2026-03-19 02:00", "active active off", "2026-03-26 00:50"},
		{"2026-03-31 00:00", "active active off", "2026-04-01 23:50"}, // and in summer
		{"2026-04-02 00:30", "active drain! off", "2026-04-02 01:00"},
		{"2036-04-02 23:50", "active drain off", "2036-04-03 00:00"}, // Thursday in Berlin
	} {
		at, next := r.At(utc(c.now), nil)
		var states []string
		for _, m := range at.Members {
			s := m.State.String()
			if m.Paused {
				s += "!"
			}
			states = append(states, s)
		}
		if got := strings.Join(states, " "); got != c.states || !next.Equal(utc(c.next)) {
			t.Errorf("%s: %s until %v, want %s until %s", c.now, got, next, c.states, c.next)
		}
		if strings.Trim(c.states, "aciveof ") == "" && at != r {
			t.Errorf("%s: nothing applies, and yet the registry is another", c.now)
		}
	}
	at, _ := r.At(utc("2026-03-01 22:30"), nil)
	if got, want := at.Members[0].Reason, "maintenance once, until 2026-03-02 00:00 UTC: CHG-1"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

func TestOverrides(t *testing.T) {
	r := load(t, worked)
	o := func(member string, state State, at, until string) Override {
		o := Override{Member: member, State: state, Reason: "CHG-2", By: "root (uid 0)", At: utc(at)}
		if until != "" {
			o.Until = utc(until)
		}
		return o
	}
	record := []Override{
		o("a", Drain, "2026-02-01 10:00", "2026-02-01 12:00"), o("b", Drain, "2026-02-01 10:00", ""), o("b", Off, "2026-02-01 10:10", ""),
		o("c", Drain, "2026-02-01 10:20", ""), o("gone", Off, "2026-02-01 10:20", ""),
	}
	at, next := r.At(utc("2026-02-01 11:00"), record)
	if a, b, c := at.Members[0], at.Members[1], at.Members[2]; a.State != Drain || b.State != Off || c.State != Off || c.Reason != "gone" ||
		a.Reason != "CHG-2, by root (uid 0) until 2026-02-01 12:00 UTC" || !next.Equal(utc("2026-02-01 12:00")) {
		t.Errorf("%+v until %v", at.Members, next)
	}
	if r.Members[0].State != Active {
		t.Error("the registry was changed")
	}
	record = append(record, o("b", Active, "2026-02-01 11:00", ""))
	at, _ = r.At(utc("2026-02-01 12:00"), record)
	if at.Members[0].State != Active || at.Members[1].State != Active {
		t.Errorf("lifted and over, and yet %+v", at.Members)
	}
	// A window in a time of Off leaves it off.
	at, _ = r.At(utc("2026-03-01 22:30"), []Override{o("a", Off, "2026-02-01 10:00", "")})
	if a := at.Members[0]; a.State != Off || !a.Paused {
		t.Errorf("%+v", a)
	}
}

// Between now and the next change nothing changes, and at it something may.
func TestAtChangesOnlyWhenItSays(t *testing.T) {
	r := load(t, worked)
	rapid.Check(t, func(t *rapid.T) {
		now := utc("2026-02-20 00:00").Add(time.Duration(rapid.IntRange(0, 100*24*60).Draw(t, "minutes")) * time.Minute)
		record := []Override{{Member: "a", State: Drain, Until: now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "until")) * time.Minute)}}
		at, next := r.At(now, record)
		if !next.After(now) {
			t.Fatalf("at %v the next change is %v", now, next)
		}
		later, _ := r.At(now.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(now))-1).Draw(t, "later"))), record)
		if d := Diff(at, later); d != nil {
			t.Fatalf("changed before %v: %v", next, d)
		}
	})
}
