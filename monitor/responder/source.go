package responder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
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

// daemon is a Source that is asked with one packet to addr, an address of this
// host. A random number of four octets is put into it at cookie, and what has
// that at echo is the answer; ctx and askTimeout bound the wait for it.
func daemon(kind string, addr netip.AddrPort, packet []byte, cookie, echo int, read func(answer []byte, sent, now time.Time) (State, error)) Source {
	ask := func(ctx context.Context) (State, error) {
		if !addr.Addr().IsLoopback() {
			return State{}, errors.New("not an address of this host: only a daemon that keeps this very clock can vouch for it")
		}
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
		if err != nil {
			return State{}, err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		number, request, sent := rand.Uint32(), slices.Clone(packet), time.Now()
		binary.BigEndian.PutUint32(request[cookie:], number)
		err = conn.SetDeadline(sent.Add(askTimeout))
		if err == nil {
			_, err = conn.Write(request)
		}
		for buf := make([]byte, 512); err == nil; {
			var n int
			n, err = conn.Read(buf)
			if answer := buf[:n]; n >= echo+4 && binary.BigEndian.Uint32(answer[echo:]) == number {
				return read(answer, sent, time.Now())
			}
		}
		return State{}, err
	}
	return Source{Name: fmt.Sprintf("%s at %s", kind, addr), Read: ask}
}
