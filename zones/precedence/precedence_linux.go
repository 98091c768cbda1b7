//go:build amd64 || arm64 || riscv64

package precedence

import (
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// later is how much nicer all others are: they get a ninth of the processor time of
// a thread that wants all of it.
const later = 10

// Hurry asks for short turns on the processor for the calling thread, which should
// be locked, and returns its number. Whoever wants shorter ones is let in before the
// turn of somebody else has ended (Linux 6.12; of no effect before), such as a
// build's, which would be 3 ms. It needs no privilege.
func Hurry() (thread int) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err == nil && attr.Policy == unix.SCHED_NORMAL {
		attr.Runtime = uint64(100 * time.Microsecond)
		_ = unix.SchedSetAttr(0, attr, 0) // where a sandbox refuses, turns are as long as others'
	}
	return unix.Gettid()
}

// First lets every other thread of the process stand back behind some: builds, and
// the garbage collector that follows each, would take as much of the processors as
// the queries, and the runtime's watch over its threads comes a thousand times a
// second. Threads to come are as nice as those that make them, and those that
// wait in the kernel for packets make none.
func First(threads map[int]bool) {
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice = min(20-nice+later, 19) // the system call tells 20 less the value
	for before := -1; ; {
		all, err := os.ReadDir("/proc/self/task")
		if err != nil || len(all) == before {
			return
		}
		before = len(all)
		for _, t := range all {
			if id, err := strconv.Atoi(t.Name()); err == nil && !threads[id] {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, nice) // or a sandbox refuses
			}
		}
	}
}

// brief is a wait that the Go scheduler is not told of. Told, it would lend the
// loop's processor out, and the runtime's watch would come by every 20 µs as long
// as packets do: thousands of timer interrupts a second. Longer waits are told.
const brief = 4 * time.Millisecond

// Brief has a blocking receive on a socket end after a short while with EAGAIN, so
// that it may be a raw system call, and reports whether: loops that keep their
// processor while they wait have to leave one for all others, which is there if the
// runtime has more than loops. (The garbage collector gets a loop by a signal.)
// After EAGAIN is the time for Await.
func Brief(fd uintptr, loops int) bool {
	limit := unix.NsecToTimeval(brief.Nanoseconds())
	return runtime.GOMAXPROCS(0) > loops && unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit) == nil
}

// Await waits for packets, however long that takes.
func Await(fd uintptr) {
	poll := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	_, _, _ = unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, 0, 0, 0, 0) // or was interrupted
}
