package monitor

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

func voters(samples ...Sample) (hosts []voter) {
	for _, s := range samples {
		v := nobodyYet()
		v.tell(s)
		hosts = append(hosts, v)
	}
	return hosts
}

// nobodyYet is a host that was not heard.
func nobodyYet() voter { return voter{host: host{Member: &zones.Member{}}} }

// tell is a check of an IPv4 address of the host.
func (v *voter) tell(s Sample) {
	v.path[0].asked, v.path[either].asked = true, true
	v.hear(&s, 0, testEpoch)
}

func wide(offset, distance time.Duration) Sample {
	s := off(offset)
	s.RootDistance = distance
	return s
}

func leap3(s Sample) Sample {
	s.Leap = 3
	return s
}

func TestClockOff(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts []voter
		off   bool
		votes int
	}{
		{"nobody", nil, false, 0},
		{"two cannot tell", voters(off(time.Second), off(time.Second)), false, 2},
		{"all of three", voters(off(time.Second), off(time.Second), off(2*time.Second)), true, 3},
		{"two of three", voters(off(time.Second), off(2*time.Second), good()), true, 3},
		{"one of three", voters(off(time.Second), good(), good()), false, 3},
		{"half of four", voters(off(time.Second), off(time.Second), good(), good()), false, 4},
		{"wrong to both sides", voters(off(time.Second), off(-time.Second), good()), false, 3},
		{"wide intervals hold it", voters(wide(time.Second, 2*time.Second), wide(time.Second, 2*time.Second), good()), false, 1},
		{"a little off is not unsound", voters(wide(9*time.Millisecond, 0), wide(9*time.Millisecond, 0), wide(9*time.Millisecond, 0)), false, 3},
		{"invalid ones have no vote", voters(off(time.Second), off(time.Second), leap3(off(time.Second)), kiss("RATE"), mute()), false, 2},
	} {
		why, votes, _ := clockVote(c.hosts, testEpoch)
		if (why != "") != c.off || votes != c.votes {
			t.Errorf("%s: %q with %d votes, want %v with %d", c.name, why, votes, c.off, c.votes)
		}
	}
	own := voters(off(time.Second), off(time.Second), off(time.Second))
	own[0].own = true
	if why, votes, _ := clockVote(own, testEpoch); why != "" || votes != 2 {
		t.Errorf("this host's own address voted: %q %d", why, votes)
	}
}

func TestOneHostHasOneVote(t *testing.T) {
	v := nobodyYet()
	for _, s := range []Sample{wide(time.Second, 100*time.Millisecond), wide(2*time.Second, 50*time.Millisecond), wide(3*time.Second, 500*time.Millisecond)} {
		v.tell(s)
	}
	why, votes, _ := clockVote(append(voters(good(), good()), v), testEpoch)
	if why != "" || votes != 3 || v.best.Offset != 2*time.Second {
		t.Errorf("%q %d %v", why, votes, v.best.Offset)
	}
}

// An honest majority is never taken for a broken clock, whatever the others say.
func TestHonestMajorityKeepsTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		liars := rapid.SliceOfN(anySample, 0, 8).Draw(t, "liars")
		hosts := voters(liars...)
		for range len(liars) + 1 {
			d := time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "distance"))
			o := time.Duration(rapid.Int64Range(-int64(d), int64(d)).Draw(t, "offset"))
			hosts = append(hosts, voters(wide(o, d))...)
		}
		if why, _, _ := clockVote(hosts, testEpoch); why != "" {
			t.Fatal(why)
		}
	})
}

func TestOwnAddrs(t *testing.T) {
	own := ownAddrs()
	for _, s := range []string{"127.0.0.1", "127.3.4.5", "::1"} {
		if !own(netip.MustParseAddr(s)) {
			t.Errorf("%s is not taken as this host's", s)
		}
	}
	if own(netip.MustParseAddr("192.0.2.1")) {
		t.Error("192.0.2.1 is taken as this host's")
	}
}
