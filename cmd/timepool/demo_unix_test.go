//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A signal that comes again, as timeout(1) sends it, ends the demonstration as
// one does, and nothing is left behind.
func TestDemoLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(builtTimepool(t), "demo", "--dns", freePort(t), "--http", freePort(t))
	c.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it tells what to try once it runs
		t.Error(err)
	}
	for range 20 {
		c.Process.Signal(syscall.SIGTERM) // or it has ended
		time.Sleep(100 * time.Microsecond)
	}
	io.Copy(io.Discard, out)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
