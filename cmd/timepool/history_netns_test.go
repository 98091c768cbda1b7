//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor/web"
)

const historyPool = `
zone: {name: pool.example, nameservers: {ns1.pool.example: [127.0.0.2]}, contact: hostmaster@example.org, default: lab}
sites:
  lab: {continent: europe, country: de, networks: [127.0.0.0/8]}
members:
  - {name: first, addresses: [` + firstAddr + `], site: lab}
  - {name: second, addresses: [` + secondAddr + `], site: lab}
  - {name: mortal, addresses: [` + mortalAddr + `], site: lab}
`

// TestHistoryReal has a real member fall and come back, and the disk of the
// data folder, a small one of its own, fill up and be cleared: all of it is in
// the history, in a backup, and where that is put back.
func TestHistoryReal(t *testing.T) {
	n := newNamespace(t, "chronyd")
	bin := builtTimepool(t)
	for name, addr := range map[string]string{"first": firstAddr, "second": secondAddr} {
		n.chronyd(name, addr, "local stratum 3\n")
	}
	mortal := n.chronyd("mortal", mortalAddr, "local stratum 3\n")
	n.file("pool.yaml", historyPool)
	node := n.file("timepool.yaml", realNode)
	data := filepath.Join(n.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	serve := n.start("timepool", "sh", "-c", `mount -t tmpfs -o size=4m tmpfs "$0" && exec "$1" serve --config "$2"`, data, bin, node)
	told := func(what string, told func(web.Told) bool) {
		t.Helper()
		until(t, what, func() (bool, string) {
			out, err := n.ask(bin, "explain", "mortal", "-o", "json", "--config", node)
			var s []web.Told
			return err == nil && json.Unmarshal([]byte(out), &s) == nil && len(s) == 1 && told(s[0]), fmt.Sprint(out, err)
		}, serve)
	}
	told("mortal is in", func(s web.Told) bool { return s.In && s.Fault == "" && s.Back == 0 })
	mortal.stop()
	told("mortal is out and silent", func(s web.Told) bool {
		return !s.In && s.Fault == "silent" && s.Back > 0 && strings.Contains(strings.Join(s.Says, "\n"), "fault: silent: ")
	})
	n.chronyd("mortal again", mortalAddr, "local stratum 3\n")
	told("mortal is back", func(s web.Told) bool { return s.In && s.Fault == "" })

	status := func(what string, is func(web.Status) bool) {
		t.Helper()
		until(t, what, func() (bool, string) {
			out, _ := n.ask(bin, "status", "-o", "json", "--config", node) // may say that all is not well
			var s web.Status
			return json.Unmarshal([]byte(out), &s) == nil && s.History != nil && is(s), out
		}, serve)
	}
	// The mount is seen by that process alone.
	fill := filepath.Join("/proc", strconv.Itoa(serve.cmd.Process.Pid), "root", data, "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	status("history cannot be written", func(s web.Status) bool {
		return s.History.Failing != "" && s.History.Waiting > 10 && strings.Contains(strings.Join(s.Notices, "\n"), "History cannot be written")
	})
	since := time.Now()
	told("checks go on in memory", func(s web.Told) bool { return s.In && s.Checked.After(since) })
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	status("history is written again", func(s web.Status) bool { return s.History.Failing == "" && s.History.Lost == 0 })

	backup := filepath.Join(n.dir, "backup.db")
	if out, err := n.ask(bin, "backup", backup, "--config", node); err != nil {
		t.Fatal(out, err)
	}
	if code := serve.stop(); code != 0 {
		t.Errorf("timepool serve ended with %d", code)
	}
	// The folder itself, without the mount, has no store yet.
	if out, err := n.ask(bin, "restore", backup, "--config", node); err != nil {
		t.Fatal(out, err)
	}
	serve = n.start("timepool again", bin, "serve", "--config", node)
	var past []struct {
		Time    time.Time
		Outcome string
		Score   float64
		Stratum uint8
	}
	until(t, "the history is there again", func() (bool, string) {
		out, err := n.ask(bin, "history", "mortal", "--since", "1h", "-o", "json", "--config", node)
		return err == nil && json.Unmarshal([]byte(out), &past) == nil && len(past) > 0, fmt.Sprint(out, err)
	}, serve)
	// Up, down, up again, with no gap as long as the disk was full.
	phases := ""
	for i, p := range past {
		phase := "up "
		if p.Outcome == "silent" {
			phase = "down "
		}
		if !strings.HasSuffix(phases, phase) {
			phases += phase
		}
		if i > 0 && !p.Time.After(past[i-1].Time) {
			t.Errorf("%v after %v", p.Time, past[i-1].Time)
		}
	}
	last := past[len(past)-1]
	if phases != "up down up " || last.Score < 10 || !last.Time.After(since) || last.Stratum == 0 {
		t.Errorf("%d checks, %s, the last %+v", len(past), phases, last)
	}
}
