package monitor

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"
)

// Rows are kept as JSON: there is one an address, and fields may come and go.
// Samples are many, so they are packed by hand. Address, time and vantage are
// in the key; integers are varints but for the refid:
//
//	version(1) flags(1) stratum(1) refid(4) offset rtt rootdistance
//	sent lost score step [kiss invalid err]
//
// Score and step are in millionths.
const codecVersion = 1

var errCodec = errors.New("value is damaged or of an unknown version")

// Scored is one Sample with what it did to the score, as History keeps it.
type Scored struct {
	Sample
	Score, Step float64 // to a millionth
	Frozen      bool
}

// Outcome is in bits 0–1 of the flags, leap in bits 2–3.
const (
	flagFrozen = 1 << 4
	flagTexts  = 1 << 5
	flagsKnown = 1<<6 - 1
)

// textMax bounds what is kept of an error's text.
const textMax = 60

func appendScored(b []byte, s Scored) []byte {
	flags := byte(s.Outcome)&3 | s.Leap&3<<2
	if s.Frozen {
		flags |= flagFrozen
	}
	texts := []string{s.Kiss, s.Invalid, s.Err[:min(len(s.Err), textMax)]}
	if s.Kiss == "" && s.Invalid == "" && s.Err == "" {
		texts = nil
	} else {
		flags |= flagTexts
	}
	b = append(b, codecVersion, flags, s.Stratum)
	b = binary.BigEndian.AppendUint32(b, s.RefID)
	for _, v := range []int64{int64(s.Offset), int64(s.RTT), int64(s.RootDistance), int64(s.Sent), int64(s.Lost),
		int64(math.Round(s.Score * 1e6)), int64(math.Round(s.Step * 1e6))} {
		b = binary.AppendVarint(b, v)
	}
	for _, t := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return b
}

// readScored reads what appendScored wrote.
func readScored(b []byte) (Scored, error) {
	r := reader{b: b}
	version, flags := r.octet(), r.octet()
	if version != codecVersion || flags&3 > byte(Unmeasured) || flags&^flagsKnown != 0 {
		return Scored{}, errCodec
	}
	var s Scored
	s.Outcome, s.Leap, s.Frozen = Outcome(flags&3), flags>>2&3, flags&flagFrozen != 0
	s.Stratum = r.octet()
	s.RefID = binary.BigEndian.Uint32(r.take(4))
	s.Offset, s.RTT, s.RootDistance = time.Duration(r.int()), time.Duration(r.int()), time.Duration(r.int())
	s.Sent, s.Lost = int(r.int()), int(r.int())
	s.Score, s.Step = float64(r.int())/1e6, float64(r.int())/1e6
	if flags&flagTexts != 0 {
		s.Kiss, s.Invalid, s.Err = r.text(), r.text(), r.text()
	}
	if r.bad || len(r.b) > 0 {
		return Scored{}, errCodec
	}
	return s, nil
}

// reader takes values off b. After the first fault all it returns is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return make([]byte, 4)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) octet() byte { return r.take(1)[0] }

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		n = len(r.b) + 1
	}
	r.take(n)
	return v
}

func (r *reader) text() string {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)-n) {
		r.take(len(r.b) + 1)
		return ""
	}
	r.take(n)
	return string(r.take(int(v)))
}

// rowKey names a Row in the store: rowPrefix and the vantage.
func rowKey(k Key) []byte { return append(rowPrefix(addrKey(k.Addr)), k.Vantage...) }

// rowPrefix is what the keys of all Rows of an address begin with.
func rowPrefix(addr []byte) []byte { return append([]byte{byte(len(addr))}, addr...) }

// addrKey is the address in network order, 4 or 16 octets, and its zone.
func addrKey(a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // never fails
	return b
}

// sampleKey sorts by time: nanoseconds since 1970, then the vantage.
func sampleKey(t time.Time, vantage string) []byte { return append(timeKey(t), vantage...) }

func timeKey(t time.Time) []byte {
	var ns int64 // of the zero Time, which has none: 1970
	if !t.IsZero() {
		ns = t.UnixNano()
	}
	return binary.BigEndian.AppendUint64(nil, uint64(ns)^1<<63)
}

func readSampleKey(b []byte) (time.Time, string, error) {
	if len(b) < 8 {
		return time.Time{}, "", errCodec
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b)^1<<63)).UTC(), string(b[8:]), nil
}
