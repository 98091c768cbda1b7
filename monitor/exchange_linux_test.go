package monitor

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/beevik/ntp"
)

// stampSpy looks at the socket while an exchange is under way.
type stampSpy struct {
	*exchange
	on int
}

func (s *stampSpy) ProcessResponse([]byte) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		s.on, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS)
	})
}

// Without kernel receive stamps every offset would carry the scheduler's delay.
func TestKernelStampsAreOn(t *testing.T) {
	to := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
	x := &exchange{ctx: t.Context(), to: to, from: Source{Addr: netip.MustParseAddr("127.0.0.1")}}
	spy := &stampSpy{exchange: x}
	opt := x.options(patience)
	opt.Extensions = append(opt.Extensions, spy)
	if _, err := ntp.QueryWithOptions(to.String(), opt); err != nil {
		t.Fatal(err)
	}
	if spy.on == 0 || opt.GetSystemTime != nil {
		t.Error("the kernel does not stamp what we receive")
	}
}

// An interface that is chosen is the only way out.
func TestDevice(t *testing.T) {
	to := serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) })
	if s := Exchange(t.Context(), to, Source{Device: "lo"}, patience); s.Outcome != Answered {
		t.Errorf("by the loopback interface: %+v", s)
	}
	s := Exchange(t.Context(), to, Source{Device: "no-such-thing"}, patience)
	if s.Outcome != Unmeasured || !strings.Contains(s.Err, "no-such-thing") {
		t.Errorf("by an interface that is not there: %+v", s)
	}
}
