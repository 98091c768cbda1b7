package responder

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const kernelStamps = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" || runtime.GOARCH == "riscv64"

func TestKernelState(t *testing.T) {
	const us = time.Microsecond
	for name, c := range map[string]struct {
		tx   unix.Timex
		code int
		want State
	}{
		"unsynchronised": {unix.Timex{Status: unix.STA_UNSYNC, Maxerror: 16000000}, unix.TIME_ERROR, Unsynchronised()},
		"in error":       {unix.Timex{Maxerror: 100}, unix.TIME_ERROR, Unsynchronised()},
		"synchronised":   {unix.Timex{Maxerror: 1500, Esterror: 20}, 0, State{Stratum: 3, RefID: 7, RootDispersion: 1500 * us}},
		"insert":         {unix.Timex{Status: unix.STA_INS, Maxerror: 1}, 1, State{Leap: 1, Stratum: 3, RefID: 7, RootDispersion: us}},
		"delete":         {unix.Timex{Status: unix.STA_DEL, Maxerror: 1}, 2, State{Leap: 2, Stratum: 3, RefID: 7, RootDispersion: us}},
		"slewing":        {unix.Timex{Maxerror: 100, Offset: -400}, 0, State{Stratum: 3, RefID: 7, RootDispersion: 500 * us}},
		"slewing, nano":  {unix.Timex{Status: unix.STA_NANO, Maxerror: 100, Offset: 400_000}, 0, State{Stratum: 3, RefID: 7, RootDispersion: 500 * us}},
		"far off":        {unix.Timex{Maxerror: 100, Offset: 10_001}, 0, Unsynchronised()},
		"far off, nano":  {unix.Timex{Status: unix.STA_NANO, Offset: -10_001_000}, 0, Unsynchronised()},
	} {
		if c.want.Synchronised() {
			c.want.RefTime, c.want.Since = instant, instant
		}
		if got := kernelState(&c.tx, c.code, instant, 3, 7); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

// The kernel of this machine is asked for real; what it says is its own.
func TestKernelReads(t *testing.T) {
	s, err := Kernel(3, 0x7f000001).Read(t.Context())
	if err != nil {
		t.Skip("adjtimex is forbidden here:", err)
	}
	if s.Synchronised() && (s.Stratum != 3 || s.RefID != 0x7f000001) {
		t.Errorf("%+v", s)
	}
}
