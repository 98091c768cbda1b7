package responder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Daemon asks any NTP server that runs on this host and keeps its clock, such
// as ntpd at 127.0.0.1:123. What is announced is its own stratum and reference
// id, not one more: it is the same clock. The difference it must see between
// its time and the system clock is added to the dispersion; above 10 ms the
// clock counts as unsynchronised, for then it is not the clock it keeps.
func Daemon(addr netip.AddrPort) Source {
	return Source{Name: fmt.Sprintf("NTP server at %s", addr), Read: func(ctx context.Context) (State, error) {
		cookie := rand.Uint64()
		var request [headerLen]byte
		request[0] = 4<<3 | modeClient
		binary.BigEndian.PutUint64(request[40:], cookie)
		sent := time.Now()
		return ask(ctx, addr, request[:], func(reply []byte) (State, error) {
			now := time.Now()
			if len(reply) < headerLen || reply[0]&7 != modeServer || binary.BigEndian.Uint64(reply[24:]) != cookie {
				return State{}, errNotOurs
			}
			return served(reply, sent, now)
		})
	}}
}

// served reads the reply to a request that left at sent and was answered at now.
func served(p []byte, sent, now time.Time) (State, error) {
	received := Stamp(binary.BigEndian.Uint64(p[32:]))
	transmit := Stamp(binary.BigEndian.Uint64(p[40:]))
	if received == 0 || transmit == 0 {
		return State{}, errors.New("sends no time")
	}
	s := State{
		Leap:           p[0] >> 6,
		Stratum:        p[1],
		RefID:          binary.BigEndian.Uint32(p[12:]),
		RefTime:        Stamp(binary.BigEndian.Uint64(p[16:])).Time(now),
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
