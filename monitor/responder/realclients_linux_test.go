package responder

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
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
// without CAP_SYS_TIME, so the one thing that it cannot do is set the clock. When
// its server is drained it leaves for the other with its next poll.
func TestRealTimesyncd(t *testing.T) {
	path := os.Getenv("TIMESYNCD")
	if path == "" {
		path = "/lib/systemd/systemd-timesyncd"
	}
	if !executable(path) {
		t.Skip("no systemd-timesyncd here (it conflicts with Debian's chrony: unpack it and let TIMESYNCD name the program)")
	}
	alone(t)
	var clocks []*Clock
	var servers []*Server
	for _, addr := range []string{"127.0.0.1:123", "127.0.0.2:123"} {
		c := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
		c.Poll(t.Context())
		s := &Server{State: c.State}
		open(t, s, addr)
		run(t, s)
		clocks, servers = append(clocks, c), append(servers, s)
	}
	cmd := exec.Command("unshare", "-m", "sh", "-ec", `umask 022
		mount -t tmpfs tmpfs /run
		mkdir -p /run/systemd/timesyncd.conf.d
		printf '[Time]\nNTP=127.0.0.1 127.0.0.2\nPollIntervalMinSec=16\nPollIntervalMaxSec=16\n' >/run/systemd/timesyncd.conf.d/test.conf
		exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-sys_time --inh-caps=-sys_time "$0"`, path)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var said []string
	lines := bufio.NewScanner(out)
	says := func(what string) {
		t.Helper()
		for lines.Scan() {
			said = append(said, lines.Text())
			if strings.Contains(lines.Text(), what) {
				return
			}
		}
		t.Fatalf("no %q; counters %v and %v; it said\n%s", what, servers[0].Counters(), servers[1].Counters(), strings.Join(said, "\n"))
	}
	says("clock_adjtime(): Operation not permitted")
	says("Contacted time server 127.0.0.1:123")
	clocks[0].Drain("command", "", time.Time{})
	clocks[0].Poll(t.Context())
	start := time.Now()
	says("Contacted time server 127.0.0.2:123")
	t.Logf("left after %v at polls of 16 s", time.Since(start).Round(100*time.Millisecond))
}

// ntpsec's ntpd, in a network namespace beside ours and without the right to set
// the clock, takes the time from the better of two servers, and leaves it when
// it is drained.
func TestRealNtpd(t *testing.T) {
	path := os.Getenv("NTPD")
	if path == "" {
		path = "/usr/sbin/ntpd"
	}
	if !executable(path) {
		t.Skip("no ntpd here (ntpsec conflicts with Debian's chrony: unpack it and let NTPD name the program)")
	}
	alone(t)
	sh := func(script string) {
		t.Helper()
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", script, err, out)
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "ntp.conf")
	if err := os.WriteFile(config, []byte("disable kernel\nunrestrict default limited kod\nserver 192.0.2.1 iburst minpoll 0 maxpoll 1\nserver 192.0.2.2 iburst minpoll 0 maxpoll 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-ec", `read go
		ip link set lo up
		ip addr add 192.0.2.3/24 dev there
		ip link set there up
		exec setpriv --bounding-set=-sys_time --inh-caps=-sys_time "$0" -n -c "$1/ntp.conf" -f "$1/drift" -p "$1/pid"`, path, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	}()
	sh(fmt.Sprintf(`ip link add here type veth peer name there netns %d
		ip addr add 192.0.2.1/24 dev here
		ip addr add 192.0.2.2/24 dev here
		ip addr add 192.0.2.4/24 dev here
		ip link set here up`, cmd.Process.Pid))
	var clocks []*Clock
	for i, dispersion := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
		c := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, dispersion))
		c.Poll(t.Context())
		s := &Server{State: c.State}
		open(t, s, fmt.Sprintf("192.0.2.%d:123", i+1))
		run(t, s)
		clocks = append(clocks, c)
	}
	// In this thread's namespace, and not from an address that ntpd follows.
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 4)}, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 3), Port: 123})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(stdin, "go")
	follows := func(host byte) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		reply := make([]byte, 100)
		for ctx.Err() == nil {
			conn.Write(packet(4, modeClient))
			conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if n, _ := conn.Read(reply); n == headerLen && reply[0]>>6 == 0 && reply[1] == 2 && reply[12] == 192 && reply[15] == host {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
		t.Fatalf("does not follow 192.0.2.%d: % x", host, reply[:headerLen])
	}
	follows(1)
	clocks[0].Drain("command", "", time.Time{})
	clocks[0].Poll(t.Context())
	start := time.Now()
	follows(2)
	t.Logf("left after %v at polls of 1 s", time.Since(start).Round(100*time.Millisecond))
}
