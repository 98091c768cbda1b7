//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// namespace is a network of its own with nothing but loopback, in which real
// daemons have their real ports.
type namespace struct {
	t    *testing.T
	name string
	dir  string // for configurations and state; only root may enter, as chronyd wants
}

// newNamespace makes a namespace, or skips when this machine cannot: not root,
// no right to make one, or a program is not installed.
func newNamespace(t *testing.T, programs ...string) *namespace {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, p := range append(programs, "ip", "mount") {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s, which is not installed", p)
		}
	}
	n := &namespace{t: t, name: fmt.Sprintf("timepool-%d", os.Getpid()), dir: t.TempDir()}
	if err := os.Chmod(n.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", n.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v: %s", err, out)
		}
	})
	if out, err := exec.Command("ip", "-n", n.name, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("loopback: %v: %s", err, out)
	}
	return n
}

// file writes a file into the namespace's folder and returns its path.
func (n *namespace) file(name, text string) string {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return path
}

// command is a program inside the namespace. `ip netns exec` gives it a mount
// namespace as well and then becomes it, so that signals reach it.
func (n *namespace) command(words ...string) *exec.Cmd {
	return exec.CommandContext(n.t.Context(), "ip", append([]string{"netns", "exec", n.name}, words...)...)
}

// ask runs a program to its end and returns what it printed, trimmed.
func (n *namespace) ask(words ...string) (string, error) {
	var errs bytes.Buffer
	c := n.command(words...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s%s", strings.Join(words, " "), err, out, &errs)
	}
	return strings.TrimSpace(string(out)), err
}

// process is a daemon that runs in the foreground.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  *transcript
	done chan struct{} // closed when it has ended
}

// start starts a daemon. It is stopped with the test, and its log is shown when
// the test fails.
func (n *namespace) start(name string, words ...string) *process {
	n.t.Helper()
	p := &process{t: n.t, name: name, cmd: n.command(words...), log: &transcript{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // stop reads its outcome
	}()
	n.t.Cleanup(func() {
		p.stop()
		if n.t.Failed() {
			n.t.Logf("--- %s:\n%s", name, p.log)
		}
	})
	return p
}

// stop ends the daemon as an init system does and returns its exit code.
func (p *process) stop() int {
	if p.running() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may end by itself meanwhile
	}
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// until polls until see reports that it saw what the test waits for. The
// deadline only bounds a failure: it is far beyond what a slow machine needs.
// It fails at once when one of the daemons has ended.
func until(t *testing.T, what string, see func() (seen bool, now string), daemons ...*process) {
	t.Helper()
	now := ""
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var seen bool
		if seen, now = see(); seen {
			return
		}
		for _, d := range daemons {
			if !d.running() {
				t.Fatalf("waiting until %s: %s has ended with %d", what, d.name, d.cmd.ProcessState.ExitCode())
			}
		}
	}
	t.Fatalf("waited in vain until %s; last seen:\n%s", what, now)
}

// transcript is what a daemon prints, readable while it runs.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*transcript)(nil)

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
