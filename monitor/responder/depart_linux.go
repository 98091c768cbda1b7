//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stamping is what a socket is asked for. The flag that stamps what is sent is
// not among it: only replies in interleaved mode carry that, in a control
// message of their own, so that nobody else pays for it.
const stamping = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE |
	unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY

// departures are the replies of one socket that the kernel was asked to stamp.
// The kernel numbers them and puts their stamps into the socket's error queue:
// at once where the driver sends at once, else a little later.
type departures struct {
	waiting [64]departure // by number; what is older is not waited for
	next    uint32        // number of the next one
	due     int           // stamps not seen yet, roughly
	info    [controlsz]uint64
	head    unix.Msghdr
	control [controlsz]uint64
}

type departure struct {
	number   uint32
	client   netip.Addr
	received Stamp // of the reply; 0: its departure is known
}

// depart gives the control message for reply, which is sent next, in
// interleaved mode: info, if any, and a request to stamp it.
func (d *departures) depart(client netip.Addr, reply, info []byte) []byte {
	d.waiting[d.next%uint32(len(d.waiting))] = departure{d.next, client, stampIn(reply, 32)}
	d.next++
	d.due++
	b := unsafe.Slice((*byte)(unsafe.Pointer(&d.info)), controlsz*8)
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
func (d *departures) restart(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping&^unix.SOF_TIMESTAMPING_OPT_ID)
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping)
	clear(d.waiting[:])
	d.next, d.due = 0, 0
}

// collect reads the stamps that are there into m.
func (d *departures) collect(fd uintptr, m *memory) {
	for d.due > 0 {
		d.head.Control = (*byte)(unsafe.Pointer(&d.control))
		d.head.SetControllen(controlsz * 8)
		_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&d.head)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno != 0 {
			return
		}
		d.due--
		stamp, number := d.read()
		w := &d.waiting[number%uint32(len(d.waiting))]
		if stamp != 0 && w.number == number {
			m.keep(w.client, w.received, stamp, true)
			w.received = 0
		}
	}
}

// read gives the stamp and the number in the control messages of one error.
func (d *departures) read() (stamp Stamp, number uint32) {
	const head = unix.SizeofCmsghdr
	b := unsafe.Slice((*byte)(unsafe.Pointer(&d.control)), controlsz*8)[:d.head.Controllen]
	for len(b) >= head {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(c.Len)
		if n < head || n > len(b) {
			break
		}
		data := b[head:n]
		switch {
		case c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_TIMESTAMPING && len(data) >= 16:
			t := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			stamp = stampOf(t.Sec, t.Nsec)
		case (c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR) && len(data) >= 16:
			number = (*unix.SockExtendedErr)(unsafe.Pointer(&data[0])).Data
		}
		b = b[min(len(b), unix.CmsgSpace(n-head)):]
	}
	return stamp, number
}
