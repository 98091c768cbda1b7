package responder

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// memory is what interleaved mode (RFC 9769) needs: for each receive stamp
// sent lately to a client that asked for this mode, when the reply left. A
// client that asks with that stamp as its origin is told so in the next reply,
// and by then the kernel has said it, which no reply can know of itself.
//
// It is a fixed array and never grows. What is forgotten costs a client one
// basic reply. Clients that merely asked and those that know a stamp of ours
// have a half each, so that spoofed requests push out none of these. A word is a
// tag of 34 bits and the nanoseconds between the two stamps in 30: no reader sees
// half a write.
type memory struct {
	seed  maphash.Seed
	words []atomic.Uint64 // pairs: a newcomer's, an interleaving client's
	mask  uint64          // number of pairs − 1
}

const delayBits = 30 // of ns, 1.07 s between arrival and departure; more is not remembered

// newMemory remembers so many replies, rounded up to a power of two, at 8
// octets each.
func newMemory(replies int) *memory {
	pairs := 1
	for 2*pairs < replies {
		pairs *= 2
	}
	return &memory{maphash.MakeSeed(), make([]atomic.Uint64, 2*pairs), uint64(pairs - 1)}
}

// place gives the pair and the tag for a reply with that receive stamp. The tag is never 0.
func (m *memory) place(client netip.Addr, received Stamp) (pair []atomic.Uint64, tag uint64) {
	var key [24]byte
	*(*[16]byte)(key[:]) = client.As16()
	binary.BigEndian.PutUint64(key[16:], uint64(received))
	hash := maphash.Bytes(m.seed, key[:])
	return m.words[(hash&m.mask)*2:][:2], (hash | 1<<63) >> delayBits
}

// keep remembers that the reply to client with that receive stamp left at
// transmit; interleaving says that the client proved to speak this mode.
func (m *memory) keep(client netip.Addr, received, transmit Stamp, interleaving bool) {
	delay := transmit.Sub(received)
	if received == 0 || delay < 0 || delay >= 1<<delayBits {
		return
	}
	pair, tag := m.place(client, received)
	half := 0
	if interleaving {
		half = 1
	}
	pair[half].Store(tag<<delayBits | uint64(delay))
}

// interleaves says whether request asks for interleaved mode. A client that
// means basic mode sets its receive and transmit stamps the same (RFC 9769 §2),
// or no origin.
func interleaves(request []byte) bool {
	return stampIn(request, 24) != 0 && request[0]&0x3f == 4<<3|modeClient && stampIn(request, 32) != stampIn(request, 40)
}

// recall gives, once, when the reply to client left that had the receive stamp
// which is the origin of a request; zero where that is forgotten. A request that
// comes twice gets a basic reply.
func (m *memory) recall(client netip.Addr, origin Stamp) (departed Stamp) {
	pair, tag := m.place(client, origin)
	for i := range pair {
		if word := pair[i].Load(); word>>delayBits == tag && pair[i].CompareAndSwap(word, 0) {
			departed = origin.Add(time.Duration(word & (1<<delayBits - 1)))
		}
	}
	return departed
}
