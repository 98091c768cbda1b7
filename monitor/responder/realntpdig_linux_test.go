package responder

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alone puts the rest of the test, and what it starts, into a network of its
// own with only loopback, where port 123 is free.
func alone(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace wants root")
	}
	runtime.LockOSThread() // and never unlock: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace here:", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("ip link: %v %s", err, out)
	}
}

// ntpsec's ntpdig, which only asks, finds a clock that agrees with its own; of
// an unsynchronised one it takes nothing.
func TestRealNtpdig(t *testing.T) {
	if _, err := exec.LookPath("ntpdig"); err != nil {
		t.Skip("no ntpdig here (Debian package ntpsec-ntpdig)")
	}
	alone(t)
	clock := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
	s := &Server{State: clock.State, Interleave: 64}
	open(t, s, "127.0.0.1:123", "[::1]:123")
	run(t, s)
	dig := func(host string) string {
		out, _ := exec.Command("ntpdig", "-t", "2", host).CombinedOutput()
		return string(out)
	}
	if got := dig("127.0.0.1"); regexp.MustCompile(` s\d+ no-leap`).MatchString(got) {
		t.Errorf("of an unsynchronised clock: %s", got)
	}
	clock.Poll(t.Context())
	for _, host := range []string{"127.0.0.1", "::1"} {
		got := dig(host)
		if !regexp.MustCompile(`(?m) [+-]0\.0\d+ \+/- 0\.0\d+ .*` + host + ` s1 no-leap$`).MatchString(got) {
			t.Errorf("of %s: %s", host, got)
		}
	}
	if n := s.Counters()[Answered]; n != 3 {
		t.Errorf("%d answered", n)
	}
}
