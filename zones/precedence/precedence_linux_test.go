//go:build amd64 || arm64 || riscv64

package precedence

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFirst: of all threads of the process only those named go first.
func TestFirst(t *testing.T) {
	const first = 2
	was, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	named, done := make(chan int), make(chan struct{})
	defer close(done)
	threads := map[int]bool{}
	for range first {
		go func() {
			runtime.LockOSThread() // and ends with its goroutine
			named <- Hurry()
			<-done
		}()
		threads[<-named] = true
	}
	First(threads)
	want := map[int]bool{was: true, max(was-later, 1): true} // the system call tells 20 less the value
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		all, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		count := map[int]int{}
		for _, thread := range all {
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
		if odd == 0 && count[was] == first {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads by priority %v, want %d of %d", count, first, was)
		}
	}
}
