package responder

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Kernel reads the kernel's own idea of its clock (adjtimex, read only; Linux)
// for hosts whose daemon cannot be asked: systemd-timesyncd, ptp4l with
// phc2sys, a virtual machine's clock driver.
//
// The kernel knows whether the clock is synchronised and its largest error,
// which is announced as root dispersion; it does not know the stratum or the
// reference. Nothing honest can be made up for them, so stratum (1–15) and
// refID must be stated by the operator, as what the daemon that keeps this
// clock would announce: one more than its upstream's stratum, and the
// upstream's address.
//
// The kernel's flag is only as good as the daemon that keeps it: chronyd
// clears STA_UNSYNC with "rtcsync" alone, so ask chronyd itself.
func Kernel(stratum uint8, refID uint32) Source {
	return Source{Name: "kernel", Read: func(context.Context) (State, error) {
		var tx unix.Timex
		code, err := unix.Adjtimex(&tx)
		if err != nil {
			return State{}, fmt.Errorf("adjtimex: %w (a service unit with ProtectClock=yes forbids it; timepool-respond-kernel.service has one that may)", err)
		}
		return kernelState(&tx, code, time.Now(), stratum, refID), nil
	}}
}

// kernelState reads what adjtimex gave at now. The kernel lets maxerror grow
// by 500 ppm until its daemon resets it, and does not know when that was;
// RefTime is therefore the instant of reading.
func kernelState(tx *unix.Timex, code int, now time.Time, stratum uint8, refID uint32) State {
	if tx.Status&unix.STA_UNSYNC != 0 || code == unix.TIME_ERROR {
		return Unsynchronised()
	}
	s := State{
		Stratum:        stratum,
		RefID:          refID,
		RefTime:        now,
		RootDispersion: time.Duration(max(tx.Maxerror, tx.Esterror)) * time.Microsecond,
		Since:          now,
	}
	switch {
	case tx.Status&unix.STA_INS != 0:
		s.Leap = 1
	case tx.Status&unix.STA_DEL != 0:
		s.Leap = 2
	}
	left := time.Duration(tx.Offset) // still to be slewed
	if tx.Status&unix.STA_NANO == 0 {
		left *= time.Microsecond
	}
	return corrected(s, left)
}
