package responder

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startChronyd runs a real chronyd that does not touch the clock (-x) with the
// given lines of configuration, and gives the address of its command port.
func startChronyd(t testing.TB, lines ...string) netip.AddrPort {
	t.Helper()
	path, err := exec.LookPath("chronyd")
	if err != nil {
		if path = "/usr/sbin/chronyd"; !executable(path) {
			t.Skip("no chronyd here (Debian package chrony)")
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("chronyd wants to be started by root")
	}
	// Its port cannot be learnt afterwards, so a free one is picked before.
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.LocalAddr().(*net.UDPAddr).AddrPort()
	probe.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "chrony.conf")
	lines = append(lines, "port 0", "user root", "pidfile "+filepath.Join(dir, "pid"),
		fmt.Sprintf("cmdport %d", addr.Port()), "bindcmdaddress 127.0.0.1", "bindcmdaddress /")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command(path, "-x", "-d", "-f", config)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return addr
}

func executable(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// eventually polls c until what it announces pleases, or fails after 20 s.
func eventually(t *testing.T, c *Clock, pleases func(Announcement) bool) Announcement {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		c.Poll(ctx)
		if a := c.Announced(); pleases(a) {
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("still %+v", c.Announced())
	return Announcement{}
}

func TestRealChronydLocal(t *testing.T) {
	c := NewClock(-20, nil, Chronyd(startChronyd(t, "local stratum 5")))
	a := eventually(t, c, func(a Announcement) bool { return a.Why == nil })
	if s := a.State; s.Stratum != 5 || s.RefID != 0x7f7f0101 || s.Leap != 0 || s.RootDispersion > time.Second {
		t.Errorf("%+v", s)
	}
}

func TestRealChronydUnsynchronised(t *testing.T) {
	c := NewClock(-20, nil, Chronyd(startChronyd(t)))
	a := eventually(t, c, func(a Announcement) bool { return a.Why == nil })
	if a.State.Synchronised() || a.Source == "" {
		t.Errorf("%+v", a)
	}
}

// The whole way: our server, a real chronyd that takes its time from it, and a
// second server of ours that announces what that chronyd knows. While the
// first is unsynchronised chronyd asks and does not follow; it does not take
// it for a kiss either, for it follows as soon as the first has the time.
func TestRealChronydFollowsServer(t *testing.T) {
	upstream := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
	first := &Server{State: upstream.State}
	addr := open(t, first)
	run(t, first)

	c := NewClock(-20, nil, Chronyd(startChronyd(t, fmt.Sprintf("server 127.0.0.1 port %d minpoll -4 maxpoll -4", addr.Port()))))
	a := eventually(t, c, func(Announcement) bool { return first.Counters()[Answered] >= 3 })
	if a.State.Synchronised() || a.Why != nil {
		t.Errorf("after three answers without time: %+v", a)
	}
	upstream.Poll(t.Context())
	a = eventually(t, c, func(a Announcement) bool { return a.State.Synchronised() })
	// 127.0.0.1 is its upstream; its dispersion holds at least our millisecond.
	if s := a.State; s.Stratum != 2 || s.RefID != 0x7f000001 || s.RootDispersion < time.Millisecond {
		t.Errorf("%+v", s)
	}

	second := &Server{State: c.State}
	conn := dial(t, open(t, second))
	run(t, second)
	conn.send(packet(4, 3))
	if got := conn.receive(); got[1] != 2 || got[0]>>6 != 0 {
		t.Errorf("the second announces % x", got)
	}
}

// A real chronyd that asks for interleaved mode gets it.
func TestRealChronydInterleaves(t *testing.T) {
	upstream := NewClock(-20, nil, Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
	upstream.Poll(t.Context())
	s := &Server{State: upstream.State, Interleave: 1024}
	addr := open(t, s)
	run(t, s)
	logs := t.TempDir()
	server := fmt.Sprintf("server 127.0.0.1 port %d minpoll -4 maxpoll -4", addr.Port())
	basic := startChronyd(t, server)
	interleaving := startChronyd(t, "logdir "+logs, "log rawmeasurements", server+" xleave")
	c := NewClock(-20, nil, Chronyd(interleaving))
	eventually(t, c, func(a Announcement) bool { return a.State.Synchronised() && s.Counters()[Interleaved] >= 60 })
	if got := s.Counters(); 2*got[Interleaved] < got[Answered] { // half of these are the other's
		t.Errorf("most replies are in basic mode: %v", got)
	}
	// chronyd's own word, a line for each reply: mode 4, interleaved, all of
	// RFC 5905's tests and its own passed.
	log, err := os.ReadFile(filepath.Join(logs, "measurements.log"))
	if n := len(regexp.MustCompile(`(?m) 111 111 111\d .* 4I `).FindAll(log, -1)); n < 10 {
		t.Errorf("%d good interleaved replies: %v\n%s", n, err, log)
	}
	t.Logf("standard deviation: basic %s, interleaved %s", deviation(t, basic), deviation(t, interleaving))
}

// deviation is what the chronyd at that command port has of its one source.
func deviation(t *testing.T, command netip.AddrPort) string {
	t.Helper()
	out, err := exec.Command("chronyc", "-c", "-h", command.Addr().String(), "-p", fmt.Sprint(command.Port()), "sourcestats").Output()
	fields := strings.Split(strings.TrimSpace(string(out)), ",")
	if err != nil || len(fields) != 8 {
		t.Fatalf("chronyc: %v %q", err, out)
	}
	return fields[7] + " s"
}

// drainable is a responder on 127.0.0.x with the right time.
func drainable(t testing.TB, n int, dispersion time.Duration) (*Clock, *Server) {
	c := NewClock(-20, nil, Stated('A'<<24|'B'<<16|'C'<<8|uint32('0'+n), dispersion))
	c.Poll(t.Context())
	s := &Server{State: c.State}
	open(t, s, fmt.Sprintf("127.0.0.%d:0", n))
	run(t, s)
	return c, s
}

// A real chronyd that follows a member leaves it when it is drained actively,
// and comes back afterwards.
func TestRealChronydLeaves(t *testing.T) {
	drained, first := drainable(t, 3, time.Millisecond)
	_, second := drainable(t, 4, 5*time.Millisecond)
	line := "server %s port %d minpoll -4 maxpoll -4"
	c := NewClock(-20, nil, Chronyd(startChronyd(t,
		fmt.Sprintf(line, "127.0.0.3", first.Addrs()[0].Port()), fmt.Sprintf(line, "127.0.0.4", second.Addrs()[0].Port()))))
	follows := func(host byte) {
		t.Helper()
		eventually(t, c, func(a Announcement) bool { return a.State.Synchronised() && byte(a.State.RefID) == host })
	}
	follows(3)
	drained.Drain("command", "CHG-1", time.Time{})
	drained.Poll(t.Context())
	follows(4)
	if a := drained.Announced(); a.Asking() != 1 {
		t.Errorf("%d clients still ask: chronyd goes on asking a server it was told of", a.Asking())
	}
	drained.Undrain("command")
	drained.Poll(t.Context())
	follows(3)
}

// How long real clients, polling each 8 s, hold on to a member that is drained
// actively: chronyd with two servers.
//
//	go test -run '^$' -bench RealLeave -benchtime 1x ./monitor/responder
func BenchmarkRealLeave(b *testing.B) {
	const clients = 5
	for range b.N {
		drained, first := drainable(b, 3, time.Millisecond)
		_, second := drainable(b, 4, 5*time.Millisecond)
		line := "server %s port %d iburst minpoll 3 maxpoll 3"
		var all []*Clock
		for range clients {
			all = append(all, NewClock(-20, nil, Chronyd(startChronyd(b,
				fmt.Sprintf(line, "127.0.0.3", first.Addrs()[0].Port()), fmt.Sprintf(line, "127.0.0.4", second.Addrs()[0].Port())))))
		}
		follow := func(host byte) (last time.Duration) {
			start := time.Now()
			for _, c := range all {
				for c.Poll(b.Context()); !c.State().Synchronised() || byte(c.State().RefID) != host; c.Poll(b.Context()) {
					if last = time.Since(start); last > 5*time.Minute {
						b.Fatalf("still %+v", c.Announced())
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
			return last
		}
		follow(3)
		time.Sleep(20 * time.Second) // past the burst
		drained.Drain("command", "", time.Time{})
		drained.Poll(b.Context())
		b.ReportMetric(follow(4).Seconds(), "s-until-all-left")
	}
}
