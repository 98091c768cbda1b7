package responder

import "context"

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
		s, err := readKernel()
		if s.Synchronised() {
			s.Stratum, s.RefID = stratum, refID
		}
		return s, err
	}}
}
