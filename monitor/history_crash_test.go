//go:build linux || darwin

package monitor

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is what the test binary does when a test starts it as a process of its
// own.
func child(mode, path string) {
	h, err := OpenHistory(path, HistoryOptions{})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	switch mode {
	case "loop":
		for n := latest(h) + 1; ; n++ {
			for i := range 20 {
				h.Put(tick(i, n))
			}
			if err := h.flush(); err != nil {
				fmt.Println("flush:", err)
				os.Exit(1)
			}
			fmt.Println(n)
		}
	case "full":
		if err := fillDisk(h, path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// latest is the highest number of checks in the store; every address has it or
// one fewer is an error.
func latest(h *History) int {
	rows, err := h.Rows()
	if err != nil {
		return -1
	}
	n := 0
	for _, r := range rows {
		n = max(n, r.Checks)
	}
	for _, r := range rows {
		if r.Checks != n {
			return -1
		}
	}
	return n
}

func TestHistorySurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	last := 0
	for round := range 25 {
		said := killChild(t, path, time.Duration(rand.IntN(60))*time.Millisecond)
		h, err := OpenHistory(path, HistoryOptions{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got := latest(h)
		samples := len(read(t, h, addr(3), time.Time{}, time.Time{}))
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		last = max(last, said)
		if got < last || got > last+1 || samples != got {
			t.Fatalf("round %d: the store has %d with %d samples, the child said %d was written", round, got, samples, last)
		}
		last = got
	}
	if last < 25 {
		t.Errorf("only %d flushes in all: the children did not get to write", last)
	}
}

// killChild starts a child that writes in a loop, kills it some time after its
// first flush, and returns the last number it said was written.
func killChild(t *testing.T, path string, after time.Duration) (said int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TIMEPOOL_TEST_CHILD=loop", "TIMEPOOL_TEST_FILE="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Error(lines.Text())
		}
		if said == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		said = n
	}
	_ = cmd.Wait() // killed
	return said
}

// fillDisk writes until the file may grow no more, and then again when it may.
func fillDisk(h *History, path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	put := func(from, to int) {
		for n := from; n < to; n++ {
			h.Put(tick(1, n))
		}
	}
	put(0, 100)
	if err := h.flush(); err != nil {
		return err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	tight := limit
	tight.Cur = uint64(fi.Size()) + 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight); err != nil {
		return err
	}
	put(100, 3000)
	for range 3 {
		if err := h.flush(); err == nil {
			return errors.New("a full disk was written")
		}
	}
	if rows, err := h.Rows(); err != nil || rows[0].Checks != 99 {
		return fmt.Errorf("rows cannot be read while the disk is full: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	put(3000, 3001)
	return h.Close()
}

func TestHistorySurvivesFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TIMEPOOL_TEST_CHILD=full", "TIMEPOOL_TEST_FILE="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, strings.TrimSpace(string(out)))
	}
	h := openHistory(t, path, HistoryOptions{})
	if n := len(read(t, h, addr(1), time.Time{}, time.Time{})); n != 3001 || latest(h) != 3000 {
		t.Errorf("%d samples, latest %d", n, latest(h))
	}
}
