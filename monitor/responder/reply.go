package responder

import "encoding/binary"

// Modes of RFC 5905 figure 10.
const (
	modeReserved = iota
	modeActive
	modePassive
	modeClient
	modeServer
	_
	modeControl
	modePrivate
)

const (
	headerLen  = 48
	ntpPort    = 123
	kissRATE   = 'R'<<24 | 'A'<<16 | 'T'<<8 | 'E'
	maxRequest = 1280 // a longer request meets silence

	// Lengths of RFC 7822 §3: an extension field, the last one where no MAC
	// follows, and a MAC (MD5 to SHA-1).
	minField, minLastField = 16, 28
	minMAC, maxMAC         = 20, 24
)

// accept judges a request without answering it.
//
// The rules are those of chronyd: mode 3 of versions 1–4 gets mode 4, mode 1
// gets a mode 2 that leaves no association behind (Windows domain members send
// it), version 1 with mode 0 (version 1 had no modes) gets mode 4 unless it
// comes from port 123, where it may itself be an answer. Unknown extension
// fields are skipped; everything else meets silence, so that no two servers
// can be made to answer each other.
func accept(request []byte, port uint16) Verdict {
	if len(request) == 0 {
		return BadLength
	}
	version, mode := request[0]>>3&7, request[0]&7
	// ntpq and ntpdc packets are shorter than 48 octets; told apart from
	// garbage because operators want to see who still tries.
	switch mode {
	case modeControl:
		return Control
	case modePrivate:
		return Private
	}
	switch {
	case len(request) < headerLen || len(request) > maxRequest || len(request)%4 != 0:
		return BadLength
	case version < 1 || version > 4:
		return BadVersion
	}
	v := Answered
	switch mode {
	case modeClient:
	case modeActive:
		v = Passive
	case modeReserved:
		if version != 1 || port == ntpPort {
			return BadMode
		}
	default:
		return BadMode
	}
	if rest := request[headerLen:]; len(rest) > 0 {
		if f := trailer(rest, version); f != Answered {
			return f
		}
	}
	return v
}

// trailer judges what follows the header; len(rest) > 0 and a multiple of 4.
// It says Answered when that is extension fields and nothing else.
func trailer(rest []byte, version uint8) Verdict {
	if version < 4 {
		return MAC // RFC 1305 knows nothing else there
	}
	for len(rest) >= minLastField {
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < minField || n%4 != 0 || n > len(rest) {
			return BadField
		}
		rest = rest[n:]
	}
	switch n := len(rest); {
	case n == 0:
		return Answered
	case n == 4, minMAC <= n && n <= maxMAC: // 4: a crypto-NAK
		return MAC
	}
	return BadField
}

// fill appends the reply to an accepted request to dst, which may be request[:0];
// it is always 48 octets, so never longer. received and transmit are this system's
// clock at arrival and now; departed is when the client's last reply left, for a
// reply in interleaved mode, else zero.
//
// An unsynchronised clock goes out with leap 3, stratum 0, a zero reference
// id and no reference time, as chronyd sends it. RFC 5905 §7.3 has 16, the
// stratum inside a server, mapped to 0 on the wire, and ntpd and chronyd map
// it back; every client refuses leap 3. The id must be zero: stratum 0 with
// letters in it is a kiss code (§7.4), and DENY or RSTR would make a client
// leave for good where it should only wait.
func fill(dst, request []byte, received, transmit, departed Stamp, state *State) []byte {
	mode := byte(modeServer)
	if request[0]&7 == modeActive {
		mode = modePassive
	}
	// A clock that was stepped since may have stamped the past later than the
	// present, which clients take for a broken server.
	received = notAfter(received, transmit)

	leap, stratum, refID, refTime := byte(NotInSync), byte(0), uint32(0), Stamp(0)
	delay, dispersion := uint32(0), short(worthless)
	switch {
	case state.Synchronised():
		leap, stratum, refID = state.Leap, state.Stratum, state.RefID
		refTime = notAfter(StampOf(state.RefTime), transmit)
		delay, dispersion = short(state.RootDelay), short(state.dispersion(transmit))
	case state.Stratum == 0:
		refID = state.RefID // a kiss code
	}

	version, poll, offset := request[0]&(7<<3), request[2], state.offset()
	origin, sent := stampIn(request, 40), transmit.Add(offset)
	if received == transmit {
		sent++ // by which stamp comes back, a server tells the modes apart (RFC 9769 §2)
	}
	if departed != 0 {
		origin, sent = stampIn(request, 32), departed
	}
	var p [headerLen]byte
	p[0], p[1], p[2], p[3] = leap<<6|version|mode, stratum, poll, byte(state.Precision)
	binary.BigEndian.PutUint32(p[4:], delay)
	binary.BigEndian.PutUint32(p[8:], dispersion)
	binary.BigEndian.PutUint32(p[12:], refID)
	binary.BigEndian.PutUint64(p[16:], uint64(refTime.Add(offset)))
	binary.BigEndian.PutUint64(p[24:], uint64(origin))
	binary.BigEndian.PutUint64(p[32:], uint64(received.Add(offset)))
	binary.BigEndian.PutUint64(p[40:], uint64(sent))
	return append(dst, p[:]...)
}

// notAfter gives s, but limit where s is later; an unknown s stays unknown.
func notAfter(s, limit Stamp) Stamp {
	if s != 0 && int64(limit-s) < 0 {
		return limit
	}
	return s
}
