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

// Daemon asks any NTP server that runs on this host and keeps its clock, such
// as ntpd at 127.0.0.1:123. What is announced is its own stratum and reference
// id, not one more: it is the same clock. The difference it must see between
// its time and the system clock is added to the dispersion; above 10 ms the
// clock counts as unsynchronised, for then it is not the clock it keeps.
func Daemon(addr netip.AddrPort) Source {
	var request [headerLen]byte
	request[0] = 4<<3 | modeClient
	return daemon("NTP server", addr, request[:], 44, 28, served)
}

// served reads the reply to a request that left at sent and was answered at now.
func served(p []byte, sent, now time.Time) (State, error) {
	if len(p) < headerLen || p[0]&7 != modeServer || stampIn(p, 32) == 0 || stampIn(p, 40) == 0 {
		return State{}, errors.New("sends no time")
	}
	// A kiss code says nothing of its clock, unlike the others of stratum 0.
	if code := string(p[12:16]); p[1] == 0 && (code == "RATE" || code == "DENY" || code == "RSTR") {
		return State{}, fmt.Errorf("refuses to answer this host (%s): exempt 127.0.0.1 and ::1", code)
	}
	received, transmit := stampIn(p, 32), stampIn(p, 40)
	s := State{
		Leap:           p[0] >> 6,
		Stratum:        p[1],
		RefID:          binary.BigEndian.Uint32(p[12:]),
		RefTime:        stampIn(p, 16).Time(now),
		RootDelay:      shortDuration(binary.BigEndian.Uint32(p[4:])),
		RootDispersion: shortDuration(binary.BigEndian.Uint32(p[8:])),
		Since:          now,
	}
	// The packet arrived after sent and the reply left before now, so its time
	// minus ours lies between these. Nearest to zero: a process that had to wait
	// for its turn must not look like a wrong clock.
	least, most := transmit.Sub(StampOf(now)), received.Sub(StampOf(sent))
	return corrected(s, max(min(0, most), least)), nil
}
