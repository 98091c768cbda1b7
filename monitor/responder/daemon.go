package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

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
