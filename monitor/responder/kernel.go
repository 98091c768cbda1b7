package responder

import (
	"context"
	"errors"
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
// upstream's address. With stratum 0 the source never answers.
//
// The kernel's flag is only as good as the daemon that keeps it: chronyd
// clears STA_UNSYNC with "rtcsync" alone, so ask chronyd itself.
func Kernel(stratum uint8, refID uint32) Source {
	const name = "kernel"
	return Source{Name: name, Read: func(context.Context) (State, error) {
		s, err := readKernel()
		if err == nil {
			s, err = vouched(s, stratum, refID)
		}
		if err != nil {
			return State{}, unanswered(name, err)
		}
		return s, nil
	}}
}

// vouched adds what the operator stated to what the kernel knows.
func vouched(s State, stratum uint8, refID uint32) (State, error) {
	switch {
	case !s.Synchronised():
		return s, nil
	case stratum == 0 || stratum >= MaxStratum:
		return State{}, errors.New("says the clock is synchronised but cannot say at which stratum; state it")
	}
	s.Stratum, s.RefID = stratum, refID
	return s, nil
}
