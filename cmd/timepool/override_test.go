package main

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 12, 31, 17, 0, 0, 0, time.FixedZone("CET", 3600))
	for text, want := range map[string]string{
		"2h": "2026-12-31T19:00:00+01:00", "-2h": "2026-12-31T15:00:00+01:00",
		"2027-03-01 08:00": "2027-03-01T08:00:00+01:00", "2027-03-01T08:00:00Z": "2027-03-01T08:00:00Z", "tomorrow": "", "": "",
	} {
		got, err := parseTime(text, now, 1)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
	if got, err := parseTime("2h", now, -1); err != nil || got.Format(time.RFC3339) != "2026-12-31T15:00:00+01:00" {
		t.Errorf("two hours ago: %v, %v", got, err)
	}
}

// What would take a site below the floor is refused, what a site below it
// already loses only where its clients are sent away, and what nobody has never.
func TestDrainKeepsFloor(t *testing.T) {
	for _, c := range []struct {
		floor  int
		want   zones.Override
		refuse bool
	}{
		{4, zones.Override{Member: "a", State: zones.Drain}, true},
		{4, zones.Override{Member: "a", State: zones.Off}, true},
		{4, zones.Override{Member: "a", State: zones.Active}, false},
		{4, zones.Override{Member: "silent", State: zones.Drain}, false},
		{4, zones.Override{Member: "drained", State: zones.Off}, false},
		{4, zones.Override{Member: "elsewhere", State: zones.Drain}, false},
		{4, zones.Override{Member: "nobody", State: zones.Drain}, false},
		{3, zones.Override{Member: "a", State: zones.Drain, Active: true}, false},
		{5, zones.Override{Member: "a", State: zones.Drain}, false},
		{5, zones.Override{Member: "a", State: zones.Drain, Active: true}, true},
		{4, zones.Override{Member: "silent", State: zones.Drain, Active: true}, false},
		{5, zones.Override{Member: "silent", State: zones.Drain, Active: true}, true},
	} {
		g := &generation{registry: &zones.Registry{Zone: zones.Zone{Floor: c.floor}}, scores: zones.Scores{}}
		for i, name := range []string{"a", "b", "c", "d", "silent", "drained", "elsewhere"} {
			at := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			m := zones.Member{Name: name, Site: "fra", Addresses: []netip.Addr{at}}
			g.scores[at] = zones.Score{Standing: zones.In}
			switch name {
			case "silent":
				g.scores[at] = zones.Score{Standing: zones.Resort}
			case "drained":
				m.State = zones.Drain
			case "elsewhere":
				m.Site = "tyo"
			}
			g.registry.Members = append(g.registry.Members, m)
		}
		n := &node{}
		n.inForce.Store(g)
		if err := n.keepsFloor(&c.want); (err != nil) != c.refuse {
			t.Errorf("floor %d, %+v: %v", c.floor, c.want, err)
		}
	}
}

// Of two who drain the last two members of a site at the same time one is refused.
func TestDrainsKeepFloorTogether(t *testing.T) {
	n := measuringPool(t, false, `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}, floor: 1}
sites: {fra: {country: de, networks: [127.0.0.0/8]}}
members: [{name: a, addresses: [10.16.0.1], site: fra}, {name: b, addresses: [10.16.0.2], site: fra}]
`)
	outcome := make(map[string]error)
	var mu sync.Mutex
	var both sync.WaitGroup
	for _, member := range []string{"a", "b"} {
		both.Go(func() {
			var o zones.Override
			err := askSocket(t.Context(), n.config.Socket, "POST", "drain?reason=x&member="+member, &o)
			mu.Lock()
			defer mu.Unlock()
			outcome[member] = err
		})
	}
	both.Wait()
	if (outcome["a"] == nil) == (outcome["b"] == nil) {
		t.Errorf("%v", outcome)
	}
}
