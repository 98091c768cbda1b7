package responder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/timepool/timepool/zones/precedence"
	"golang.org/x/sync/errgroup"
)

// Server answers on UDP sockets. Set the fields, then Open, then Run.
//
// On 64-bit Linux every request carries the kernel's receive stamp, replies
// leave from the address that was asked, also on wildcard sockets, and no
// packet allocates. Other systems stamp when the program wakes up and let the
// system choose the source address, so name addresses there rather than
// 0.0.0.0 or ::.
type Server struct {
	Listen []netip.AddrPort // port 0 takes a free one; :: means IPv6 only
	// State is called for every request; nil means silence, which is a server
	// that is there but does not answer. It must be safe for concurrent use and
	// what it returns must not change afterwards.
	State func() *State
	// Where several networks of these hold a client, the longest decides, and
	// Deny where they are equal. With any Allow a client in none is denied.
	Allow, Deny []netip.Prefix
	Limiter     *Limiter // nil: no limit
	// Interleave is how many replies are remembered for interleaved mode (RFC
	// 9769), 8 octets each; 0 answers in basic mode only.
	Interleave int
	Sockets    int // sockets for each address, each with a loop of its own; 64-bit Linux only; 0 is 1
	// Precede lets the loops go before all other threads of the process: 64-bit
	// Linux only. A reply that is interrupted is late by its transmit stamp.
	Precede bool

	sockets []*socket
	memory  *memory
}

// socket is one listening socket and what happened on it.
type socket struct {
	conn interface { // a *net.UDPConn, or what detach makes of it
		syscall.Conn
		io.Closer
	}
	closed   atomic.Bool
	addr     netip.AddrPort
	counters [verdicts]atomic.Uint64
}

// Open binds every address of Listen, first without SO_REUSEPORT, so that a
// second server is told instead of sharing the requests silently. An error
// names the address and the mend, and leaves nothing open.
func (s *Server) Open() error {
	if len(s.Listen) == 0 {
		return errors.New("ntp: no address to listen on")
	}
	if s.Interleave > 0 {
		s.memory = newMemory(s.Interleave)
	}
	for _, addr := range s.Listen {
		first, err := listen(addr, false)
		if err != nil {
			s.Close()
			return fmt.Errorf("ntp: cannot listen on %s/udp: %w", addr, mend(err))
		}
		s.sockets = append(s.sockets, first)
		for range s.Sockets - 1 {
			sibling, err := listen(first.addr, true)
			if err != nil {
				break // one socket serves as well, only on one core
			}
			s.sockets = append(s.sockets, sibling)
		}
	}
	return nil
}

// listen binds addr; as a sibling, beside a socket that is bound to it.
func listen(addr netip.AddrPort, sibling bool) (*socket, error) {
	// The plain "udp" would make :: take IPv4 too and so collide with 0.0.0.0.
	network := "udp4"
	if addr.Addr().Is6() && !addr.Addr().Is4In6() {
		network = "udp6"
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return prepare(c, network == "udp6", addr.Addr().IsUnspecified(), sibling)
	}}
	conn, err := config.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	sk := &socket{addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	sk.conn, err = detach(conn.(*net.UDPConn))
	return sk, err
}

// mend says what to do about the usual reasons why a socket cannot be bound.
func mend(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("already in use, by chronyd, ntpd or another responder (ss -ulpn tells which): stop it, or set \"port 0\" in chrony.conf")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("not permitted: ports below 1024 need CAP_NET_BIND_SERVICE")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return errors.New("no interface of this host has the address")
	}
	return err
}

// Addrs are the addresses bound by Open, in the order of Listen.
func (s *Server) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, sk := range s.sockets {
		addrs = append(addrs, sk.addr)
	}
	return slices.Compact(addrs) // siblings stand together
}

// Run answers until ctx is done, then closes the sockets and returns nil; an
// error tells which socket failed. It may be called once after an Open.
func (s *Server) Run(ctx context.Context) error {
	if len(s.sockets) == 0 {
		return errors.New("ntp: server is not open")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { <-ctx.Done(); s.Close(); return nil })
	threads := make(chan int, len(s.sockets))
	for _, sk := range s.sockets {
		g.Go(func() error {
			runtime.LockOSThread() // until it ends: nobody else shall have a thread in a hurry
			threads <- precedence.Hurry()
			if err := s.serve(sk); ctx.Err() == nil {
				return fmt.Errorf("ntp: socket %s: %w", sk.addr, err)
			}
			return nil
		})
	}
	if s.Precede {
		ours := make(map[int]bool)
		for range s.sockets {
			ours[<-threads] = true
		}
		precedence.First(ours)
	}
	return g.Wait()
}

// Close closes the sockets of a server that is open but does not Run. Closing
// again does no harm.
func (s *Server) Close() {
	for _, sk := range s.sockets {
		sk.close()
	}
}

// Counters sums what happened to the packets of all sockets since Open.
func (s *Server) Counters() Counters {
	var sum Counters
	for _, sk := range s.sockets {
		for v := range sum {
			sum[v] += sk.counters[v].Load()
		}
	}
	return sum
}

var kissing = State{Leap: NotInSync, RefID: kissRATE}

// judgement is what becomes of a request and what its reply says.
type judgement struct {
	Verdict
	state    *State
	departed Stamp // for interleaved mode: when the last reply left
	keep     bool  // when this one leaves
}

// judge says what becomes of a request; now is an instant shortly before the
// call, good enough for the Limiter.
func (s *Server) judge(request []byte, client netip.AddrPort, now time.Time) judgement {
	v := accept(request, client.Port())
	if !v.Replied() {
		return judgement{Verdict: v}
	}
	if !s.admits(client.Addr()) {
		return judgement{Verdict: Denied}
	}
	state := s.State()
	if state == nil {
		return judgement{Verdict: Silent}
	}
	if state.asking != nil {
		state.asking.add(client.Addr())
	}
	if s.Limiter != nil {
		if over := s.Limiter.Take(client.Addr(), now); over != Answered {
			return judgement{Verdict: over, state: &kissing}
		}
	}
	j := judgement{Verdict: v, state: state}
	// Only clients that ask for this mode are remembered, which spares all others the cost.
	if s.memory != nil && interleaves(request) && state.Offset == 0 && state.smear == nil {
		j.keep = true
		if j.departed = s.memory.recall(client.Addr(), stampIn(request, 24)); j.departed != 0 {
			j.Verdict = Interleaved
		}
	}
	return j
}

// reply writes the reply to a request that is judged to get one.
func (s *Server) reply(dst, request []byte, client netip.Addr, received, transmit Stamp, j *judgement) []byte {
	reply := fill(dst, request, received, transmit, j.departed, j.state)
	if j.keep { // until the kernel has a better stamp than this one
		s.memory.keep(client, stampIn(reply, 32), transmit, j.departed != 0)
	}
	return reply
}

// admits says whether Allow and Deny let client be answered.
func (s *Server) admits(client netip.Addr) bool {
	client = client.WithZone("") // no network holds an address with one
	bits, admitted := -1, len(s.Allow) == 0
	for _, p := range s.Allow {
		if p.Bits() > bits && p.Contains(client) {
			bits, admitted = p.Bits(), true
		}
	}
	for _, p := range s.Deny {
		if p.Bits() >= bits && p.Contains(client) {
			bits, admitted = p.Bits(), false
		}
	}
	return admitted
}

// serveAnywhere is the loop for systems without one of their own.
func (s *Server) serveAnywhere(conn *net.UDPConn, sk *socket) error {
	request, reply := make([]byte, maxRequest+1), make([]byte, 0, headerLen)
	for failures := 0; ; {
		n, client, err := conn.ReadFromUDPAddrPort(request)
		now := time.Now()
		if err != nil {
			// Windows reports here that an earlier reply met a closed port, or
			// that a request was longer than the buffer; a broken socket goes
			// on failing.
			if failures++; errors.Is(err, net.ErrClosed) || failures > 1000 {
				return err
			}
			sk.counters[BadLength].Add(1)
			continue
		}
		failures = 0
		j := s.judge(request[:n], client, now)
		if j.Replied() {
			out := s.reply(reply, request[:n], client.Addr(), StampOf(now), StampOf(time.Now()), &j)
			if _, err := conn.WriteToUDPAddrPort(out, client); err != nil {
				j.Verdict = Unsent
			}
		}
		sk.counters[j.Verdict].Add(1)
	}
}
