package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if file := os.Getenv("TIMEPOOL_FALSE_TIME"); file != "" {
		serveFalseTime(file)
	}
	testscript.Main(m, map[string]func(){"timepool": main})
}

// TestScripts runs testdata/script/*.txtar: the command line as people use it,
// each script in a folder of its own with ports of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"DNS", "HTTP", "NTP"} {
				e.Setenv(name, freePort(t))
			}
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			leaps, err := filepath.Abs("../../monitor/responder/testdata/leap-seconds.list")
			e.Setenv("LEAPS", leaps)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  scriptExits,
			"answer": scriptAnswer,
			"told":   scriptTold,
			"until":  scriptUntil,
			"expand": scriptExpand,
		},
	})
}

// freePort is an address of 127.0.0.1 that nobody listens on, UDP and TCP.
func freePort(t testing.TB) string {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		u, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			u.Close()
			return addr
		}
	}
	t.Fatal("no port is free for both UDP and TCP")
	return ""
}

// scriptExits: exits CODE COMMAND... runs it and wants exactly that code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptAnswer: answer NAME [ADDRESS...] asks $DNS until the answer holds just
// these addresses of NAME, in any order; [! answer NAME ADDRESS...] until it
// holds none of them (but others).
func scriptAnswer(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] answer NAME ADDRESS...")
	}
	want := args[1:]
	slices.Sort(want)
	var got []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got = lookup(ts.Getenv("DNS"), args[0])
		if neg && len(got) > 0 && !slices.ContainsFunc(want, func(a string) bool { return slices.Contains(got, a) }) {
			return
		}
		if !neg && slices.Equal(got, want) {
			return
		}
	}
	ts.Fatalf("%s has %v", args[0], got)
}

// lookup asks the DNS server for A and AAAA with Go's own resolver.
func lookup(server, name string) []string {
	r := resolverAt(server)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	addrs, err := r.LookupNetIP(ctx, "ip", name+".")
	if err != nil {
		return nil
	}
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.Unmap().String())
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// scriptTold: [!] told NAME TEXT asks $DNS until a TXT record of NAME holds TEXT,
// or with ! until there is none to have.
func scriptTold(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && !(neg && len(args) == 1) {
		ts.Fatalf("usage: told NAME TEXT, ! told NAME")
	}
	var lines []string
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		lines, err = resolverAt(ts.Getenv("DNS")).LookupTXT(ctx, args[0]+".")
		cancel()
		var fault *net.DNSError
		if neg && errors.As(err, &fault) && !fault.IsTimeout {
			return
		}
		if !neg && slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, args[1]) }) {
			return
		}
	}
	ts.Fatalf("%s tells %q, %v", args[0], lines, err)
}

// resolverAt is Go's own resolver, asking that server.
func resolverAt(server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}

// scriptUntil: until PATTERN COMMAND... runs it again and again until its
// standard output holds PATTERN.
func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT COMMAND...")
	}
	var out []byte
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		c := exec.Command(args[1], args[2:]...)
		c.Dir = ts.MkAbs(".")
		c.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "TMPDIR="+ts.Getenv("TMPDIR"), "NO_COLOR=1")
		if out, err = c.CombinedOutput(); strings.Contains(string(out), args[0]) {
			return
		}
	}
	ts.Fatalf("never %q: %v\n%s", args[0], err, out)
}

// scriptExpand: expand FILE replaces $DNS, $HTTP and $NTP in it.
func scriptExpand(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

func TestFreePortIsLoopback(t *testing.T) {
	if a := netip.MustParseAddrPort(freePort(t)); !a.Addr().IsLoopback() || a.Port() == 0 {
		t.Error(fmt.Sprint(a))
	}
}
