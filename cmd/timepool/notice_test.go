package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// TestNotices: a pool on its last resort or without anybody is told once when
// it comes and once when it goes; one that has nobody to lose never.
func TestNotices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pool.yaml")
	if err := os.WriteFile(path, []byte(`
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}, contact: hostmaster@example.org}
members:
  - {name: a, addresses: [10.16.0.1], tags: [dmz]}
  - {name: b, addresses: [10.16.0.2], tags: [lab]}
  - {name: c, addresses: ["fd00::3"], state: drain}
pools: {dmz: {tags: [dmz]}, lab: {tags: [lab]}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := zones.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n := &node{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	a, b := r.Members[0].Addresses[0], r.Members[1].Addresses[0]
	var told []string
	for i, step := range []struct {
		scores zones.Scores
		want   []string // of the log, after the monitor's own
	}{
		{zones.Scores{a: {Standing: zones.In}, b: {Standing: zones.In}}, nil},
		{zones.Scores{a: {Standing: zones.Resort}, b: {Standing: zones.In}}, []string{"level=WARN msg=notice says=\"Last resort: A of pool dmz: "}},
		{zones.Scores{a: {Standing: zones.Resort}, b: {Standing: zones.In}}, nil},
		{zones.Scores{b: {Standing: zones.In}}, []string{"level=WARN msg=notice says=\"Nobody: A of pool dmz: ", "level=INFO msg=\"notice is over\" said=\"Last resort: A of pool dmz: "}},
		{nil, []string{"says=\"Nobody: A of the whole pool: ", "says=\"Nobody: A of pool lab: "}},
		{zones.Scores{a: {Standing: zones.In}, b: {Standing: zones.In}}, []string{"said=\"Nobody: A of pool dmz: ", "said=\"Nobody: A of the whole pool: ", "said=\"Nobody: A of pool lab: "}},
	} {
		s, err := resolver.Build(r, zones.NewAtlas(r, nil), step.scores, resolver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		n.inForce.Store(&generation{registry: r, snapshot: s})
		if i == 0 {
			if told = n.tellChanges(told); !strings.Contains(log.String(), "static: members are not measured") || len(n.notices(n.inForce.Load(), n.monitorStatus(n.inForce.Load()))) != 1 {
				t.Errorf("before DNS is open: %s", &log)
			}
			n.dnsOpen.Store(true)
		}
		log.Reset()
		told = n.tellChanges(told)
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if log.Len() == 0 {
			lines = nil
		}
		if len(lines) != len(step.want) {
			t.Fatalf("step %d: %q", i, lines)
		}
		for _, want := range step.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("step %d: %s, want %s", i, &log, want)
			}
		}
	}
}

func TestDoubts(t *testing.T) {
	for want, s := range map[string]monitor.Status{
		"": {},
		"Frozen, so that no score moves: all silent.":                 {Frozen: true, Warning: "frozen: all silent"},
		"Frozen over ipv6, so that no score moves there: all silent.": {Lost: []string{"ipv6"}, Warning: "frozen: all silent"},
		"kernel says unsync": {Warning: "kernel says unsync"},
		"Booting: nobody has ever reached a score of 10, so members whose every check was good are handed out early.": {Booting: true},
	} {
		if got := doubts(s); strings.Join(got, "|") != want || got == nil {
			t.Errorf("%+v: %q", s, got)
		}
	}
}
