package responder

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Bits of timex.status and the state adjtimex returns (linux/timex.h).
const (
	staInsert = 0x10
	staDelete = 0x20
	staUnsync = 0x40
	staNano   = 0x2000
	timeError = 5
)

// readKernel gives the kernel's State with a stratum of 1 that stands for
// "some".
func readKernel() (State, error) {
	var tx unix.Timex
	code, err := unix.Adjtimex(&tx)
	if err != nil {
		return State{}, fmt.Errorf("adjtimex: %w (a service unit with ProtectClock=yes forbids it; timepool-respond-kernel.service has one that may)", err)
	}
	return kernelState(&tx, code, time.Now()), nil
}

// kernelState reads what adjtimex gave at now. The kernel lets maxerror grow
// by 500 ppm until its daemon resets it, and does not know when that was;
// RefTime is therefore the instant of reading.
func kernelState(tx *unix.Timex, code int, now time.Time) State {
	if tx.Status&staUnsync != 0 || code == timeError {
		return Unsynchronised()
	}
	s := State{
		Stratum:        1,
		RefTime:        now,
		RootDispersion: time.Duration(max(tx.Maxerror, tx.Esterror)) * time.Microsecond,
		Since:          now,
	}
	switch {
	case tx.Status&staInsert != 0:
		s.Leap = 1
	case tx.Status&staDelete != 0:
		s.Leap = 2
	}
	left := time.Duration(tx.Offset) // still to be slewed
	if tx.Status&staNano == 0 {
		left *= time.Microsecond
	}
	return corrected(s, left)
}
