package monitor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

func TestFaultOf(t *testing.T) {
	change := func(f func(*Sample)) Sample { s := good(); f(&s); return s }
	for _, c := range []struct {
		name string
		s    Sample
		want Fault
	}{
		{"good", good(), ""},
		{"silent", mute(), SilentFault},
		{"400 ms off", off(400 * time.Millisecond), WrongFault},
		{"minutes off", off(-5 * time.Minute), WrongFault},
		{"rate", kiss("RATE"), LimitedFault},
		{"deny", kiss("DENY"), LimitedFault},
		{"kiss INIT", kiss("INIT"), Unsynchronised},
		{"leap 3", change(func(s *Sample) { s.Leap = 3 }), Unsynchronised},
		{"stratum 0", change(func(s *Sample) { s.Stratum = 0 }), Unsynchronised},
		{"stratum 16", change(func(s *Sample) { s.Stratum = 16 }), Unsynchronised},
		{"stratum 12", change(func(s *Sample) { s.Stratum = 12 }), FarFault},
		{"far", change(func(s *Sample) { s.RootDistance = 2 * time.Second }), FarFault},
		{"times out of order", change(func(s *Sample) { s.Invalid = "transmit before reference" }), WrongFault},
	} {
		r := Row{}.After(c.s, zones.NTPPool(), false)
		if r.Fault != c.want {
			t.Errorf("%s: %q, want %q", c.name, r.Fault, c.want)
		}
		if r.Fault != "" && faultWords[r.Fault] == "" {
			t.Errorf("%s: no words", r.Fault)
		}
		if again := r.After(unmeasured(), zones.NTPPool(), false); again.Fault != r.Fault {
			t.Errorf("%s: a check that does not count made it %q", c.name, again.Fault)
		}
	}
}

func TestFaultOnlyFromHere(t *testing.T) {
	bad, fine := Aged{Row: follow(mute())}, Aged{Row: follow(good())}
	bad.Vantage, fine.Vantage = "fra", "tyo"
	for _, c := range []struct {
		here string
		rows []Aged
		want Fault
	}{
		{"fra", []Aged{bad, fine}, LocalFault},
		{"tyo", []Aged{bad, fine}, ""}, // what stands is the higher score
		{"fra", []Aged{bad}, SilentFault},
		{"fra", []Aged{fine}, ""},
	} {
		if m, ok := Merge(c.rows, time.Minute); !ok || m.fault(c.here) != c.want {
			t.Errorf("%v: %q, want %q", c, m.fault(c.here), c.want)
		}
	}
}

// What untilIn promises, good checks keep.
func TestUntilIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := follow(rapid.SliceOfN(anySample, 1, 60).Draw(t, "samples")...)
		p := zones.NTPPool()
		p.Readmit, p.Hold = rapid.IntRange(0, 19).Draw(t, "readmit"), time.Duration(rapid.IntRange(0, 7200).Draw(t, "hold"))*time.Second
		interval := time.Duration(rapid.IntRange(1, 3600).Draw(t, "interval")) * time.Second
		promised := r.untilIn(p, interval)
		if r.In != (promised == 0) {
			t.Fatalf("in %v, back in %v", r.In, promised)
		}
		var took time.Duration
		for wait := backoff(0, interval, r.Sample); !r.In; wait = 0 {
			s := good()
			took += max(wait, paceOf(interval, 1, 0, r).period)
			s.Time = testEpoch.Add(took)
			r = r.After(s, p, false)
		}
		if took != promised {
			t.Fatalf("promised %v, took %v", promised, took)
		}
	})
}

func TestMemberLines(t *testing.T) {
	now := testEpoch
	s := off(312 * time.Millisecond)
	s.Time, s.Lost, s.RefID = now.Add(-12*time.Second), 1, 0x0a000001
	r := follow(then(times(100, good()), times(60, s))...)
	lines := func(state zones.State, netspeed int) string {
		reg := &zones.Registry{Members: []zones.Member{{Name: "ntp1.fra", Addresses: []netip.Addr{testAddr}, Site: "fra", State: state, Netspeed: netspeed}}}
		scores := zones.Scores{testAddr: {Value: r.Score, Standing: zones.Out, Since: now.Add(-20 * time.Minute), Why: "why", Fault: string(r.Fault), Back: r.untilIn(zones.NTPPool(), 64*time.Second)}}
		return strings.Join(Members(reg, scores, []Row{r})[0].Lines(now), "\n")
	}
	got := lines(zones.Active, 1000)
	for _, want := range []string{
		"ntp1.fra 192.0.2.1, fra: out since 2026-01-02T02:44:05Z, 20 min, score 1.1: why",
		"fault: wrong: its time is not right: offset +312 ms",
		"last check 12 s ago: offset +312 ms, round trip 1 ms, root distance 2 ms, stratum 2, leap 0, refid 10.0.0.1, 1 of 3 questions unanswered",
		"checks: 160, 60 of them not good, 0 unanswered in a row",
		"back: in about 14 min if every check is good from now on",
	} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	if got := lines(zones.Drain, 1000); !strings.Contains(got, "back: when the registry no longer says drain") {
		t.Error(got)
	}
	if got := lines(zones.Active, 0); !strings.Contains(got, "back: when the registry gives it a netspeed") {
		t.Error(got)
	}
}
