package responder

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
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

// systemd-timesyncd takes the time, as far as it can: it runs as nobody and
// without CAP_SYS_TIME, so the one thing that it cannot do is set the clock.
func TestRealTimesyncd(t *testing.T) {
	path := os.Getenv("TIMESYNCD")
	if path == "" {
		path = "/lib/systemd/systemd-timesyncd"
	}
	if !executable(path) {
		t.Skip("no systemd-timesyncd here (it conflicts with Debian's chrony: unpack it and let TIMESYNCD name the program)")
	}
	alone(t)
	clock := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
	clock.Poll(t.Context())
	s := &Server{State: clock.State}
	open(t, s, "127.0.0.1:123")
	run(t, s)
	cmd := exec.Command("unshare", "-m", "sh", "-ec", `umask 022
		mount -t tmpfs tmpfs /run
		mkdir -p /run/systemd/timesyncd.conf.d
		printf '[Time]\nNTP=127.0.0.1\n' >/run/systemd/timesyncd.conf.d/test.conf
		exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-sys_time --inh-caps=-sys_time "$0"`, path)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	var said []string
	contacted, adjusts := false, false
	for lines := bufio.NewScanner(out); !contacted && lines.Scan(); {
		line := lines.Text()
		said = append(said, line)
		adjusts = adjusts || strings.Contains(line, "clock_adjtime(): Operation not permitted")
		contacted = strings.Contains(line, "Contacted time server 127.0.0.1:123")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !contacted || !adjusts || s.Counters()[Answered] == 0 {
		t.Errorf("counters %v; it said\n%s", s.Counters(), strings.Join(said, "\n"))
	}
}
