//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stamping is what a socket is asked for. The flag that stamps what is sent is
// not among it: replies in interleaved mode and a few others carry that, in a
// control message of their own, so that nobody else pays for it.
const stamping = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE |
	unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY

// departures are the replies of one socket that the kernel was asked to stamp.
// The kernel numbers them and puts their stamps into the socket's error queue:
// at once where the driver sends at once, else a little later.
type departures struct {
	waiting [64]departure // by number; what is older is not waited for
	next    uint32        // number of the next one
	due     int           // stamps not seen yet, roughly
	vain    int           // how often none came while some were due
	lead    [3]lead       // by how long nothing was sent: a processor that rested is slow
	class   int           // of these, the one that holds
	now     time.Time     // the clock before the replies that wait
	begun   time.Time     // the round
	ended   time.Time     // the last one
	each    usual         // a reply among many takes this
	info    controls
	head    unix.Msghdr
	control controls
}

type departure struct {
	number   uint32
	client   netip.Addr
	keep     bool   // when it left, for the client
	received Stamp  // of the reply; 0: its departure is known
	clock    Stamp  // before it was sent
	learn    *usual // what to learn from it; nil: nothing
}

// lead is how long the kernel takes from our transmit stamp to its own.
type lead struct {
	usual
	asked time.Time // when it was last measured
	more  int       // replies still to measure: what the first one meets is cold
}

// usual is a duration that is undercut one time in three: what stands in for
// the next one where an odd one must not count. It is at most 20 µs.
type usual time.Duration

func (u *usual) learn(d time.Duration) {
	d = max(0, d)
	step := *u/16 + 10
	if *u == 0 {
		step = usual(d / 4) // the first is often slow: caches are cold
	}
	if d < time.Duration(*u) {
		step *= -2
	}
	*u = max(0, min(*u+step, 20_000))
}

// begin says that a round begins at now.
func (d *departures) begin(now time.Time) {
	d.begun, d.class = now, 0
	for rest := now.Sub(d.ended); d.class < len(d.lead)-1 && rest > 50*time.Microsecond; rest /= 10 {
		d.class++
	}
}

// end says that so many replies left since begin.
func (d *departures) end(n int) {
	d.ended = time.Now()
	if n == batch {
		d.each.learn(d.ended.Sub(d.begun) / batch)
	}
}

// transmit foretells when a reply leaves that is sent after so many others:
// the clock, and what the kernel took lately until it stamped one. A reply's
// transmit stamp would else be early by that, and the client's clock off by
// half of it.
func (d *departures) transmit(others int) Stamp {
	if others == 0 {
		d.now = time.Now()
	}
	return StampOf(d.now.Add(time.Duration(d.lead[d.class].usual) + time.Duration(others)*time.Duration(d.each)))
}

// wants says whether to let the kernel stamp a reply only to learn from it:
// three in a row, a hundred times a second.
func (d *departures) wants(now time.Time) bool {
	switch l := &d.lead[d.class]; {
	case l.more > 0:
		l.more--
	case now.Sub(l.asked) < 10*time.Millisecond:
		return false
	default:
		l.asked, l.more = now, 2
	}
	return true
}

// depart gives the control message for reply, which is sent next and alone:
// info, if any, and a request to stamp it; keep says for the client.
func (d *departures) depart(client netip.Addr, reply, info []byte, keep bool) []byte {
	w := departure{number: d.next, client: client, keep: keep, received: stampIn(reply, 32), clock: StampOf(d.now)}
	if l := &d.lead[d.class]; l.more < 2 {
		w.learn = &l.usual
	}
	d.waiting[d.next%uint32(len(d.waiting))] = w
	d.next++
	d.due++
	b := unsafe.Slice((*byte)(unsafe.Pointer(&d.info)), unsafe.Sizeof(d.info))
	n := 0
	if len(info) > 0 {
		copy(b, info)
		n = unix.CmsgSpace(len(info) - unix.SizeofCmsghdr)
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[n]))
	c.Level, c.Type = unix.SOL_SOCKET, unix.SO_TIMESTAMPING
	c.SetLen(unix.CmsgLen(4))
	*(*uint32)(unsafe.Pointer(&b[n+unix.SizeofCmsghdr])) = unix.SOF_TIMESTAMPING_TX_SOFTWARE
	return b[:n+unix.CmsgSpace(4)]
}

// restart forgets what is due and lets the kernel number from 0 again: after a
// reply that was not sent nobody knows whether it got a number.
func (l *loop) restart() {
	d := &l.left
	_ = unix.SetsockoptInt(int(l.fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping&^unix.SOF_TIMESTAMPING_OPT_ID)
	_ = unix.SetsockoptInt(int(l.fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping)
	clear(d.waiting[:])
	d.next, d.due = 0, 0
}

// collect reads the stamps that are there into the memory.
func (l *loop) collect() {
	d := &l.left
	for d.due > 0 {
		d.head.Control = (*byte)(unsafe.Pointer(&d.control))
		d.head.SetControllen(int(unsafe.Sizeof(d.control)))
		_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, l.fd, uintptr(unsafe.Pointer(&d.head)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno != 0 {
			if d.vain++; d.vain > 1000 { // this interface does not stamp what it sends
				d.due, d.vain = 0, 0
			}
			return
		}
		d.due--
		d.vain = 0
		stamp, number, _ := messages(&d.control, &d.head)
		w := &d.waiting[number%uint32(len(d.waiting))]
		if stamp == 0 || w.number != number || w.received == 0 {
			continue
		}
		if w.learn != nil {
			w.learn.learn(stamp.Sub(w.clock))
		}
		if w.keep {
			l.memory.keep(w.client, w.received, stamp, true)
		}
		w.received = 0
	}
}

// drain collects whatever is there, also what nobody expects any more: with an
// error queued the socket never rests in precedence.Await.
func (l *loop) drain() {
	l.left.due = len(l.left.waiting)
	l.collect()
	l.left.due, l.left.vain = 0, 0
}
