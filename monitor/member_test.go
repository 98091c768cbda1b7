package monitor

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

func TestMembers(t *testing.T) {
	reg := pool(6)
	reg.Members[1].State, reg.Members[1].Reason = zones.Drain, "CHG-4711"
	reg.Members[2].State = zones.Off
	reg.Members[3].State = zones.Monitor
	reg.Members[4].Netspeed = 0
	scores := zones.Scores{}
	for i := range 5 {
		scores[addr(i)] = zones.Score{Value: 12, Standing: zones.In, Since: testEpoch, Why: "in"}
	}
	row := follow(good())
	row.Addr, row.RefID, row.Lost = addr(0), 0x0a000001, 1
	older := follow(mute())
	older.Addr, older.Vantage, older.Time = addr(0), "tyo", testEpoch.Add(-time.Hour)
	gone := follow(mute())
	gone.Addr = addr(1)

	got := Members(reg, scores, []Row{row, older, gone})
	if len(got) != 6 {
		t.Fatalf("%d lines", len(got))
	}
	for i, want := range []struct {
		in                            bool
		state, why, standing, outcome string
	}{
		{true, "active", "in", "in", "answered"},
		{false, "drain", "drained: CHG-4711", "in", "silent"},
		{false, "off", "off", "in", ""},
		{false, "monitor", "monitor only", "in", ""},
		{false, "active", "netspeed 0: scored, never handed out", "in", ""},
		{false, "active", "", "out", ""},
	} {
		m := got[i]
		if m.Name != reg.Members[i].Name || m.In != want.in || m.State != want.state || m.Why != want.why || m.Standing != want.standing || m.Outcome != want.outcome {
			t.Errorf("%d: %+v", i, m)
		}
	}
	if m := got[0]; m.RefID != "10.0.0.1" || m.Lost != 1 || m.Offset != 200*time.Microsecond || !m.Checked.Equal(testEpoch) || m.Score != 12 {
		t.Errorf("%+v", m)
	}
}

// Who fell silent is handed out where nobody of the family is in, and not else.
func TestMembersOfLastResort(t *testing.T) {
	reg := pool(3)
	six := netip.MustParseAddr("fd00::1")
	reg.Members[0].Addresses = append(reg.Members[0].Addresses, six)
	reg.Members[2].State = zones.Drain
	scores := zones.Scores{addr(0): {Standing: zones.In}, addr(1): {Standing: zones.Resort}, addr(2): {Standing: zones.Resort}, six: {Standing: zones.Resort}}
	in := func() (in []bool) {
		for _, m := range Members(reg, scores, nil) {
			in = append(in, m.In)
		}
		return in
	}
	if got, want := in(), []bool{true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("one is in: %v, want %v", got, want)
	}
	scores[addr(0)] = zones.Score{Standing: zones.Out}
	if got, want := in(), []bool{false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("nobody is in: %v, want %v", got, want)
	}
}

func TestRefIDText(t *testing.T) {
	for _, c := range []struct {
		id      uint32
		stratum uint8
		want    string
	}{
		{0x47505300, 1, "GPS"}, {0x52415445, 0, "RATE"}, {0, 0, ""}, {0x00ff4120, 1, "A"}, {0xc0000201, 2, "192.0.2.1"},
	} {
		if got := RefIDText(c.id, c.stratum); got != c.want {
			t.Errorf("%#x at stratum %d: %q, want %q", c.id, c.stratum, got, c.want)
		}
	}
}
