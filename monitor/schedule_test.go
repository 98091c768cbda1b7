package monitor

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// addrs returns n different addresses, every second one IPv6.
func addrs(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		b := [16]byte{0xfd}
		binary.BigEndian.PutUint32(b[12:], uint32(i))
		if out[i] = netip.AddrFrom16(b); i%2 == 0 {
			out[i] = netip.AddrFrom4([4]byte{10, b[13], b[14], b[15]})
		}
	}
	return out
}

func TestSlot(t *testing.T) {
	epoch := time.Unix(0, 0)
	rapid.Check(t, func(t *rapid.T) {
		h := phase(rapid.Uint64().Draw(t, "phase"))
		period := time.Duration(rapid.Int64Range(1, int64(100*time.Hour)).Draw(t, "period"))
		earliest := time.Unix(0, rapid.Int64Range(-1e17, 4e18).Draw(t, "earliest"))
		slot := h.slot(period, earliest)
		if wait := slot.Sub(earliest); wait < 0 || wait >= period {
			t.Fatalf("slot %v after earliest, period %v", wait, period)
		}
		if next := h.slot(period, slot.Add(1)); next.Sub(slot) != period && period > 1 {
			t.Fatalf("the next slot is %v later, period %v", next.Sub(slot), period)
		}
		if again := h.slot(period, slot); !again.Equal(slot) {
			t.Fatalf("slot %v of itself is %v", slot, again)
		}
		if in := slot.Sub(epoch) % period; earliest.After(epoch) && uint64(in) > uint64(float64(h)/(1<<64)*float64(period)*1.0001)+1 {
			t.Fatalf("phase %x of %v stands at %v", uint64(h), period, in)
		}
	})
}

func TestPhase(t *testing.T) {
	a := netip.MustParseAddr("10.16.0.11")
	if phaseOf("fra", a) == phaseOf("tyo", a) {
		t.Error("a phase hangs on address and vantage")
	}
	// The value itself is part of the promise "the same after a restart".
	if got := phaseOf("fra", a); got != 0x838fd0312550863 {
		t.Errorf("phase %#x", uint64(got))
	}
}

func TestDue(t *testing.T) {
	h := phaseOf("fra", netip.MustParseAddr("10.16.0.11"))
	const gap = 2 * time.Second
	at := h.slot(64*time.Second, time.Unix(1e9, 0))
	for _, tt := range []struct {
		name       string
		pace       pace
		late, took time.Duration
		want       time.Duration // after the slot
	}{
		{"on time", pace{period: 64 * time.Second}, 0, 4 * time.Second, 64 * time.Second},
		{"a little late does not drift", pace{period: 64 * time.Second}, 3 * time.Second, 4 * time.Second, 64 * time.Second},
		{"very late leaves one out", pace{period: 64 * time.Second}, 40 * time.Second, 4 * time.Second, 128 * time.Second},
		{"longer than the period", pace{period: 8 * time.Second}, 0, 9 * time.Second, 16 * time.Second},
		{"a gap to the next check", pace{period: 8 * time.Second}, 0, 7 * time.Second, 16 * time.Second},
		{"held back", pace{period: time.Hour, held: true}, 3 * time.Second, time.Second, time.Hour + 3*time.Second},
	} {
		// Phases of other periods differ, so each starts on its own slot.
		start := at
		if !tt.pace.held {
			start = h.slot(tt.pace.period, at)
		}
		got := h.due(tt.pace, gap, start.Add(tt.late), start.Add(tt.late+tt.took)).Sub(start)
		if got != tt.want {
			t.Errorf("%s: due %v after its slot, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPace(t *testing.T) {
	earning, lost, in := Row{}, Row{Bad: 1}, Row{Reached: true, Bad: 1}
	for _, tt := range []struct {
		interval, held time.Duration
		row            Row
		want           pace
	}{
		{64 * time.Second, 0, earning, pace{8 * time.Second, 1, false}},
		{time.Second, 0, earning, pace{time.Second, 1, false}},
		{64 * time.Second, 0, lost, pace{64 * time.Second, 3, false}},
		{64 * time.Second, 0, in, pace{64 * time.Second, 3, false}},
		{64 * time.Second, time.Hour, in, pace{time.Hour, 1, true}},
	} {
		if got := paceOf(tt.interval, 3, tt.held, tt.row); got != tt.want {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, tt := range []struct {
		held, interval time.Duration
		s              Sample
		want           time.Duration
	}{
		{0, 64 * s, kissed("RATE"), 128 * s},
		{128 * s, 64 * s, kissed("RATE"), 256 * s},
		{512 * s, 64 * s, kissed("RATE"), 16 * m},
		{16 * m, 64 * s, kissed("RATE"), 16 * m},
		{0, 20 * m, kissed("RATE"), 20 * m},
		{time.Hour, 64 * s, kissed("RATE"), time.Hour},
		{0, 64 * s, kissed("DENY"), time.Hour},
		{256 * s, 64 * s, kissed("RSTR"), time.Hour},
		{0, 2 * time.Hour, kissed("DENY"), 2 * time.Hour},
		{256 * s, 64 * s, silent, 256 * s},
		{256 * s, 64 * s, Sample{Outcome: Unmeasured}, 256 * s},
		{256 * s, 64 * s, offBy(0), 0},
		{time.Hour, 64 * s, atStratum(16), 0},
		{256 * s, 64 * s, kissed("INIT"), 0},
	} {
		if got := backoff(tt.held, tt.interval, tt.s); got != tt.want {
			t.Errorf("held %v, interval %v, kiss %q: %v, want %v", tt.held, tt.interval, tt.s.Kiss, got, tt.want)
		}
	}
}
