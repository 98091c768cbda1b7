//go:build amd64 || arm64 || riscv64

package resolver

import (
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPrecedence: of all threads of the process only the loops' go first.
func TestPrecedence(t *testing.T) {
	const loops = 2
	was, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	serving(t, nil, Config{Loops: loops, Precede: true}, "127.0.0.1:0")
	want := map[int]bool{was: true, max(was-later, 1): true} // the system call tells 20 less the value
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		count := map[int]int{}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			if priority, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil { // or it has ended
				count[priority]++
			}
		}
		odd := 0
		for priority := range count {
			if !want[priority] {
				odd++
			}
		}
		if odd == 0 && count[was] == loops {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads by priority %v, want %d of %d", count, loops, was)
		}
	}
}
