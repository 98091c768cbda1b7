package monitor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/beevik/ntp"
)

// What Sample.Err says when nothing came at all, when nobody waited for it, and
// when neither offset nor round trip says anything about the member.
const (
	timedOut  = "timeout"
	cancelled = "cancelled"
	clockSet  = "our own clock was stepped"
)

// stepSlack is by how much the wall clock and the monotonic clock may disagree
// over one exchange before the wall clock is said to have been stepped.
const stepSlack = 10 * time.Millisecond

// Source is where requests leave this host.
type Source struct {
	Addr   netip.Addr // local address; the zero Addr leaves it to the kernel
	Device string     // interface, on Linux; "" leaves it to the routing table
}

// Exchange sends one NTP request (RFC 5905, mode 3) to an IP literal and waits
// at most timeout for its answer. A cancelled ctx ends it at once.
//
// The outcome is Answered when a packet came that carries the origin timestamp
// we sent, which nobody off the path can guess; Silent when none came or the
// network refused; Unmeasured when the request never left, or when our own
// clock was stepped meanwhile.
func Exchange(ctx context.Context, to netip.AddrPort, from Source, timeout time.Duration) Sample {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	s := Sample{Addr: to.Addr()}
	x := &exchange{ctx: ctx, to: to, from: from}
	start := time.Now()
	r, err := ntp.QueryWithOptions(to.String(), x.options(timeout))
	elapsed := time.Since(start)
	if x.unhook != nil {
		x.unhook()
	}

	switch {
	case x.answered:
		x.read(&s, r, err)
		if r != nil && stepped(r.Timestamps, elapsed) {
			s = Sample{Addr: s.Addr, Outcome: Unmeasured, Sent: 1, Err: clockSet}
		}
	case ctx.Err() != nil:
		s.Outcome, s.Err = Unmeasured, cancelled
	default:
		s.Outcome, s.Err = failure(err)
	}
	if s.Outcome != Unmeasured {
		s.Sent = 1
	}
	if s.Outcome == Silent {
		s.Lost = 1
	}
	s.Time = time.Now().Round(0).UTC()
	return s
}

// exchange watches one query go by. beevik/ntp shows its extensions each packet
// before it judges it, and gives an error and nothing else for a kiss packet
// without a transmit time; so what a packet says is read here.
type exchange struct {
	ctx    context.Context
	to     netip.AddrPort
	from   Source
	conn   *net.UDPConn
	unhook func() bool

	origin   [8]byte // transmit timestamp of our request, random
	answered bool    // head is the start of a packet with that origin
	head     [24]byte
}

// options leave GetSystemTime alone: setting it would turn kernel receive
// stamps off, and so would a dialer that hides the *net.UDPConn.
func (x *exchange) options(timeout time.Duration) ntp.QueryOptions {
	return ntp.QueryOptions{
		Timeout:    timeout,
		Dialer:     func(_, _ string) (net.Conn, error) { return x.dial() },
		Extensions: []ntp.Extension{x},
	}
}

// dial opens a connected socket, so that the kernel drops what comes from
// elsewhere, and closes it when the context ends. Closing is what lasts: beevik
// sets its own deadline afterwards.
func (x *exchange) dial() (net.Conn, error) {
	if !x.to.IsValid() {
		return nil, errors.New("no address to ask")
	}
	var d net.Dialer
	var local netip.AddrPort
	if x.from.Addr.IsValid() {
		local = netip.AddrPortFrom(x.from.Addr, 0)
	}
	if x.from.Device != "" {
		d.Control = func(_, _ string, c syscall.RawConn) error { return bindToDevice(c, x.from.Device) }
	}
	c, err := d.DialUDP(x.ctx, "udp", local, x.to)
	if err != nil {
		return nil, err
	}
	x.conn = c
	x.unhook = context.AfterFunc(x.ctx, func() { c.Close() })
	return c, nil
}

// ProcessQuery implements ntp.Extension: it remembers the origin to expect.
func (x *exchange) ProcessQuery(b *bytes.Buffer) error {
	copy(x.origin[:], b.Bytes()[40:48])
	return nil
}

// errBogus marks a packet that answers nothing we asked.
var errBogus = errors.New("bogus packet")

// ProcessResponse implements ntp.Extension: it keeps the head of a packet that
// answers our request and refuses every other.
func (x *exchange) ProcessResponse(b []byte) error {
	if len(b) < 48 {
		return fmt.Errorf("%w of %d octets", errBogus, len(b))
	}
	if !bytes.Equal(b[24:32], x.origin[:]) {
		return fmt.Errorf("%w: wrong origin timestamp", errBogus)
	}
	x.answered = true
	copy(x.head[:], b)
	// Poll and precision are of no use to us, and beevik v1.6.0 panics on −128.
	b[2], b[3] = 0, 0
	return nil
}

// read fills s from the packet's head and from what beevik made of the rest.
func (x *exchange) read(s *Sample, r *ntp.Response, err error) {
	s.Leap = x.head[0] >> 6
	s.Stratum = x.head[1]
	s.RefID = binary.BigEndian.Uint32(x.head[12:])
	if errors.Is(err, ntp.ErrInvalidMode) {
		s.Invalid = fmt.Sprintf("mode %d in an answer", x.head[0]&7)
		return
	}
	if s.Stratum == 0 {
		s.Kiss = kissCode(x.head[12:])
	}
	switch {
	case s.Kiss != "":
		// The times in a kiss packet mean nothing (RFC 5905 §7.4).
	case errors.Is(err, ntp.ErrInvalidTransmitTime):
		s.Invalid = "no transmit time"
	case errors.Is(err, ntp.ErrServerTickedBackwards):
		s.Invalid = "sent before it received"
	case err != nil:
		s.Invalid = err.Error()
	default:
		s.Offset, s.RTT, s.RootDistance = r.ClockOffset, r.RTT, r.RootDistance
		s.Invalid = x.invalid(r)
	}
}

// invalid returns what beevik has against the times in an answer. Its other
// objections (stratum, leap, a far too wide root distance) are Judge's to make.
func (x *exchange) invalid(r *ntp.Response) string {
	switch err := r.Validate(); {
	case errors.Is(err, ntp.ErrInvalidTime) && binary.BigEndian.Uint64(x.head[16:]) == 0:
		return "no reference time"
	case errors.Is(err, ntp.ErrServerClockFreshness):
		age := r.Time.Sub(r.ReferenceTime).Round(time.Hour)
		return fmt.Sprintf("clock last set %d hours ago", age/time.Hour)
	case errors.Is(err, ntp.ErrInvalidTime):
		return "sent before its reference time"
	}
	return ""
}

// stepped reports whether our wall clock jumped between sending and receiving.
func stepped(t ntp.ProtocolTimestamps, elapsed time.Duration) bool {
	wall := t.ClientRecv.Round(0).Sub(t.ClientXmit.Round(0))
	return wall < -stepSlack || wall > elapsed+stepSlack
}

// kissCode returns the ASCII in a reference id (RFC 5905 §7.4), "" when it is
// none.
func kissCode(refid []byte) string {
	code := strings.TrimRight(string(refid[:4]), "\x00")
	for _, c := range []byte(code) {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return code
}

// failure sorts an exchange without an answer. The one request is the first
// packet on its socket, so what goes wrong before or in sending is ours (no
// route, EPERM, EMFILE, no such source address …) and whatever a read reports
// was brought by an ICMP message, also when it has the same number: an IPv6
// router that prohibits reads as EACCES.
func failure(err error) (Outcome, string) {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Silent, timedOut
	case errors.Is(err, syscall.ECONNREFUSED):
		return Silent, "port unreachable"
	case errors.Is(err, errBogus):
		return Silent, err.Error()
	case !errors.As(err, &op):
		return Unmeasured, err.Error()
	case op.Op == "read":
		return Silent, op.Err.Error()
	}
	return Unmeasured, op.Err.Error()
}
