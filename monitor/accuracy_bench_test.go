//go:build linux

package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkAccuracy prints the |offset| of a best-of-three check against a
// chronyd on this host, 10 checks a second, beside what chronyd -Q and ntpdig
// (ntpsec's ntpdate) make of it, with idle cores and with busy ones:
//
//	go test ./monitor -run '^$' -bench Accuracy -benchtime 100x
//
// It needs root, for port 123 of an address of loopback; the clock is not set.
func BenchmarkAccuracy(b *testing.B) {
	b.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	const server = "127.77.0.1"
	startChronyd(b, server)
	p := &Prober{Vantage: "bench", Samples: 3, Gap: 2 * time.Millisecond, Timeout: time.Second}
	addr := netip.MustParseAddr(server)
	for _, busy := range []bool{false, true} {
		name := map[bool]string{false: "idle", true: "busy"}[busy]
		b.Run(name, func(b *testing.B) {
			if busy {
				for range runtime.NumCPU() {
					burn(b)
				}
			}
			b.Run("timepool", func(b *testing.B) {
				offsets(b, 100*time.Millisecond, func() (time.Duration, error) {
					s := p.Check(b.Context(), addr)
					if s.Outcome != Answered {
						return 0, fmt.Errorf("%+v", s)
					}
					return s.Offset, nil
				})
			})
			b.Run("chronyd-Q", func(b *testing.B) {
				offsets(b, 0, said(b, `wrong by (-?[0-9.]+) seconds`, "chronyd", "-Q", "server "+server+" iburst maxsamples 4", "cmdport 0", "bindcmdaddress /", "user root", "pidfile "+b.TempDir()+"/pid"))
			})
			b.Run("ntpdig", func(b *testing.B) {
				offsets(b, 0, said(b, `([-+][0-9.]+) \+/-`, "ntpdig", "-p", "3", server))
			})
		})
	}
}

// offsets measures b.N times, no faster than the pace, and reports p50 and p99.
func offsets(b *testing.B, pace time.Duration, measure func() (time.Duration, error)) {
	var all []time.Duration
	for b.Loop() {
		start := time.Now()
		offset, err := measure()
		if err != nil {
			b.Skip(err)
		}
		all = append(all, offset.Abs())
		time.Sleep(time.Until(start.Add(pace)))
	}
	slices.Sort(all)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(all[len(all)/2])/1e3, "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100])/1e3, "p99-µs")
}

// said runs a program and reads an offset in seconds out of what it prints.
func said(b *testing.B, pattern string, words ...string) func() (time.Duration, error) {
	re := regexp.MustCompile(pattern)
	return func() (time.Duration, error) {
		ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		m := re.FindSubmatch(out)
		if m == nil {
			return 0, fmt.Errorf("%v: %v: %s", words, err, out)
		}
		seconds, err := strconv.ParseFloat(string(m[1]), 64)
		return time.Duration(seconds * 1e9), err
	}
}

// startChronyd runs a server that sets no clock (-x) and takes this host's for right.
func startChronyd(b *testing.B, address string) {
	b.Helper()
	dir := b.TempDir()
	conf := filepath.Join(dir, "chrony.conf")
	text := "local stratum 3\nallow 127.0.0.0/8\nbindaddress " + address + "\ncmdport 0\nbindcmdaddress /\nuser root\npidfile " + dir + "/pid\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	program, err := exec.LookPath("chronyd")
	if err != nil || os.Getuid() != 0 {
		b.Skip("needs chronyd and root")
	}
	c := exec.Command(program, "-x", "-d", "-f", conf)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	to := netip.AddrPortFrom(netip.MustParseAddr(address), 123)
	for range 50 {
		if s := Exchange(b.Context(), to, Source{}, time.Second); s.Outcome == Answered && s.Stratum == 3 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Skip("chronyd does not serve here")
}

// burn keeps a core busy until the benchmark's end.
func burn(b *testing.B) {
	c := exec.Command("sh", "-c", "while :; do :; done")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}
