package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
)

// A node with a leap file judges members that are declared to smear by smeared
// time; one without does not. The file is read again with the registry.
func TestLeapFile(t *testing.T) {
	list, err := os.ReadFile("../../monitor/responder/testdata/leap-seconds.list")
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{true, false} {
		dir := t.TempDir()
		c := defaultConfig()
		c.Data, c.Socket, c.HTTP.Off = dir, filepath.Join(dir, "s"), true
		c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
		c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}
members: [{name: a, addresses: [10.0.0.1]}, {name: b, addresses: [10.0.0.2], smear: true}]
`)
		if known {
			c.LeapFile = writeFile(t, filepath.Join(dir, "leap-seconds.list"), string(list))
		}
		n, err := openNode(c, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		for member, want := range map[string]time.Duration{"10.0.0.1": -250 * time.Millisecond, "10.0.0.2": 0} {
			if !known {
				want = -250 * time.Millisecond
			}
			row := n.board.Record(monitor.Sample{
				Addr: netip.MustParseAddr(member), Time: time.Date(2016, 12, 31, 18, 0, 0, 0, time.UTC),
				Offset: -250 * time.Millisecond, RTT: time.Millisecond, RootDistance: time.Millisecond, Stratum: 2, Sent: 1,
			})
			if (row.Offset - want).Abs() > time.Millisecond {
				t.Errorf("leap file %v: %s: %v, want %v", known, member, row.Offset, want)
			}
		}
		if !known {
			continue
		}
		writeFile(t, c.LeapFile, string(list[:len(list)/2]))
		if r := n.reload(false); r.Accepted || !strings.Contains(r.Why, "leap file "+c.LeapFile) {
			t.Errorf("a cut file: %+v", r)
		}
		writeFile(t, c.LeapFile, string(list))
		if r := n.reload(false); !r.Accepted || len(r.Changes) > 0 {
			t.Errorf("the same again: %+v", r)
		}
	}
}
