package responder

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// maxCorrection is how far the system clock may still be from what its daemon
// believes to be the time. The daemon's own answers take that correction into
// account and ours, taken from the raw system clock, do not.
const maxCorrection = 10 * time.Millisecond

// askTimeout bounds one question to a daemon on this host.
const askTimeout = 500 * time.Millisecond

// Source is somebody on this host who knows how good its clock is.
type Source struct {
	Name string
	// Read asks. A State that is not Synchronised means that the source knows
	// the clock to be bad; an error, that it does not answer.
	Read func(ctx context.Context) (State, error)
}

// Stated is a reference that the operator vouches for: this host's clock is
// kept by a primary source (GPS, PPS, PTP), which refID names, and is right within
// dispersion.
func Stated(refID uint32, dispersion time.Duration) Source {
	return Source{Name: "stated reference", Read: func(context.Context) (State, error) {
		return State{Stratum: 1, RefID: refID, RefTime: time.Now(), RootDispersion: dispersion}, nil
	}}
}

// corrected adds the correction that the system clock still awaits to s.
func corrected(s State, correction time.Duration) State {
	correction = correction.Abs()
	if !s.Synchronised() || correction > maxCorrection {
		return Unsynchronised()
	}
	s.RootDispersion += correction
	return s
}

// errNotOurs is what a read says of a packet that answers something else.
var errNotOurs = errors.New("not an answer to this request")

// ask sends request to a daemon on this host and gives what read makes of the
// reply; ctx and askTimeout bound it.
func ask(ctx context.Context, addr netip.AddrPort, request []byte, read func(reply []byte) (State, error)) (State, error) {
	if !addr.Addr().IsLoopback() {
		return State{}, errors.New("not an address of this host: only a daemon that keeps this very clock can vouch for it")
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return State{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return State{}, err
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(request); err != nil {
		return State{}, err
	}
	var buf [512]byte
	for {
		n, err := conn.Read(buf[:])
		if err != nil {
			return State{}, err
		}
		if s, err := read(buf[:n]); err != errNotOurs {
			return s, err
		}
	}
}
