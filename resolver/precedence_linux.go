//go:build amd64 || arm64 || riscv64

package resolver

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// later is how much nicer than the loops all other threads are: they get a ninth
// of the processor time of a loop that wants all of it.
const later = 10

// hurry asks for short turns on the processor. Whoever wants shorter ones is let
// in before the turn of somebody else has ended (Linux 6.12; of no effect before),
// such as a build's, which would be 3 ms. It needs no privilege.
func hurry() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err == nil && attr.Policy == unix.SCHED_NORMAL {
		attr.Runtime = uint64(100 * time.Microsecond)
		_ = unix.SchedSetAttr(0, attr, 0) // where a sandbox refuses, turns are as long as others'
	}
}

// precede lets every other thread of the process stand back behind those of the
// loops: builds, and the garbage collector that follows each, would take as much
// of the processors as the queries. Threads to come are as nice as those that
// make them, and a loop's makes none.
func precede(loops map[int]bool) {
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice = min(20-nice+later, 19) // the system call tells 20 less the value
	for before := -1; ; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil || len(threads) == before {
			return
		}
		before = len(threads)
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil && !loops[id] {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, nice) // or a sandbox refuses
			}
		}
	}
}
