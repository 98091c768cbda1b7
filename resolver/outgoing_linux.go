//go:build amd64 || arm64 || riscv64

package resolver

import (
	"bytes"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outgoing is the replies to a batch. Several to one client, as a forwarder with
// few sockets gets them, are one message where they are equally long or the last is
// shorter: the kernel carries it through its network stack whole and cuts it into
// datagrams at the end (UDP_SEGMENT, Linux 4.18). Most of a reply's cost is that way.
type outgoing struct {
	messages [batchLen]message
	n        int
	headers  [batchLen]unix.Mmsghdr // of the messages, for sendmmsg
	iov      [batchLen]unix.Iovec   // of the messages, one after the other
	controls [batchLen][11]uint64   // of the messages of several replies: what was received, and 24 octets

	parts   [batchLen]part
	replies int

	latest    [256]uint8 // by client: the last message whose client has that hash
	segmented bool       // the kernel cuts messages
}

// message is replies from one address of ours to one client.
type message struct {
	to      *unix.RawSockaddrInet6
	toLen   uint32
	from    []byte // control message that says from where; nil as usual
	hash    uint8  // of the client
	before  uint8  // the message before that has the hash, or its own number
	length  int    // of each reply but the tail
	replies int
	first   int  // in parts
	tail    bool // the last to be sent is shorter
	at      int  // in iov, where they begin
	laid    int  // how many of them are there
}

type part struct {
	message int
	tail    bool
	iov     unix.Iovec
}

// probe asks whether the kernel cuts messages on a socket.
func (o *outgoing) probe(fd uintptr) {
	o.segmented = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 0) == nil
}

func (o *outgoing) reset() { o.n, o.replies = 0, 0 }

// add makes a reply due. Everything it is given has to last until flush.
func (o *outgoing) add(reply []byte, to *unix.RawSockaddrInet6, toLen uint32, from []byte) {
	i, tail := o.find(len(reply), to, toLen, from)
	m := &o.messages[i]
	m.replies++
	m.tail = m.tail || tail
	p := &o.parts[o.replies]
	p.message, p.tail, p.iov.Base = i, tail, &reply[0]
	p.iov.SetLen(len(reply))
	o.replies++
}

// find returns the message for a reply, if need be a new one, and whether the reply
// is its tail.
func (o *outgoing) find(length int, to *unix.RawSockaddrInet6, toLen uint32, from []byte) (i int, tail bool) {
	hash := uint8(uint32(to.Port) * 0x9E3779B1 >> 24) // by the port most clients differ
	longer, before := o.n, int(o.latest[hash])
	if before >= o.n || o.messages[before].hash != hash || !o.segmented {
		before = o.n
	}
	for i = before; i < o.n; {
		m := &o.messages[i]
		switch {
		case !m.goes(to, toLen, from):
		case m.length == length:
			return i, false
		case m.tail:
		case m.length > length:
			longer = i
		case m.replies == 1: // it becomes the tail of this one
			o.parts[m.first].tail = true
			m.tail, m.length = true, length
			return i, false
		}
		if int(m.before) == i {
			break
		}
		i = int(m.before)
	}
	if longer < o.n {
		return longer, true
	}
	o.messages[o.n] = message{to: to, toLen: toLen, from: from, hash: hash, before: uint8(before), length: length, first: o.replies}
	o.latest[hash] = uint8(o.n)
	o.n++
	return o.n - 1, false
}

// goes reports whether a message goes to a client from an address.
func (m *message) goes(to *unix.RawSockaddrInet6, toLen uint32, from []byte) bool {
	if m.toLen != toLen || !bytes.Equal(m.from, from) {
		return false
	}
	if toLen == unix.SizeofSockaddrInet4 {
		return *(*unix.RawSockaddrInet4)(unsafe.Pointer(to)) == *(*unix.RawSockaddrInet4)(unsafe.Pointer(m.to))
	}
	return *to == *m.to
}

// lay puts the replies of each message side by side and makes the headers.
func (o *outgoing) lay() {
	at := 0
	for i := range o.n {
		m, h := &o.messages[i], &o.headers[i].Hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(m.to)), m.toLen
		h.Iov = &o.iov[at]
		h.SetIovlen(m.replies)
		h.Control = unsafe.SliceData(m.from)
		h.SetControllen(len(m.from))
		if m.replies > 1 {
			o.segment(i)
		}
		m.at, at = at, at+m.replies
	}
	for i := range o.replies {
		p := &o.parts[i]
		m := &o.messages[p.message]
		if p.tail {
			o.iov[m.at+m.replies-1] = p.iov
			continue
		}
		o.iov[m.at+m.laid] = p.iov
		m.laid++
	}
}

// segment asks the kernel to cut message i.
func (o *outgoing) segment(i int) {
	m, h := &o.messages[i], &o.headers[i].Hdr
	control := unsafe.Slice((*byte)(unsafe.Pointer(&o.controls[i])), len(m.from)+unix.CmsgSpace(2))
	head := (*unix.Cmsghdr)(unsafe.Pointer(&control[copy(control, m.from)]))
	head.Level, head.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	head.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Pointer(&control[len(m.from)+unix.CmsgLen(0)])) = uint16(m.length)
	h.Control = &control[0]
	h.SetControllen(len(control))
}

// flush sends what is due, and waits where the socket's buffer is full. What
// cannot be sent is counted.
func (o *outgoing) flush(fd uintptr, unsent *atomic.Uint64) {
	o.lay()
	for sent := 0; sent < o.n; {
		n, errno := send(fd, o.headers[sent:o.n])
		switch {
		case errno == 0:
			sent += n
		case errno == unix.EINTR:
		case o.messages[sent].replies > 1:
			// The way to this client wants each datagram by itself (EIO where nobody
			// would fill in checksums, EINVAL where they are too long for it).
			o.segmented = o.segmented && errno != unix.EIO
			o.apart(fd, sent, unsent)
			sent++
		default: // the first is at fault; those after it may do
			unsent.Add(1)
			sent++
		}
	}
}

// apart sends the replies of message i one by one.
func (o *outgoing) apart(fd uintptr, i int, unsent *atomic.Uint64) {
	m, one := &o.messages[i], o.headers[i:i+1]
	h := &one[0].Hdr
	h.Control = unsafe.SliceData(m.from)
	h.SetControllen(len(m.from))
	h.SetIovlen(1)
	for at := m.at; at < m.at+m.replies; {
		h.Iov = &o.iov[at]
		switch _, errno := send(fd, one); errno {
		case unix.EINTR:
			continue
		case 0:
		default:
			unsent.Add(1)
		}
		at++
	}
}

// send hands messages to the kernel, and returns how many it took.
func send(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	if h := &messages[0].Hdr; len(messages) == 1 && h.Iovlen == 1 && h.Controllen == 0 { // the cheaper call
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(h.Iov.Base)), uintptr(h.Iov.Len),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		if errno != unix.EAGAIN {
			return 1, errno
		}
	}
	list, n := uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages))
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, list, n, unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN {
		sent, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, list, n, 0, 0, 0)
	}
	return int(sent), errno
}
