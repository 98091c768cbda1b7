package monitor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones"
)

// over6 makes what the hosts were heard of over IPv4 that of over IPv6.
func over6(hosts []voter) []voter {
	for i := range hosts {
		hosts[i].path[0], hosts[i].path[1] = hosts[i].path[1], hosts[i].path[0]
	}
	return hosts
}

// dual makes hosts of both families.
func dual(four, six []voter) []voter {
	for i := range four {
		four[i].path[1] = six[i].path[0]
		p, over6 := &four[i].path[either], six[i].path[either]
		p.answered, p.silent, p.unmeasured = p.answered || over6.answered, p.silent || over6.silent, p.unmeasured || over6.unmeasured
	}
	return four
}

func TestNetworkDown(t *testing.T) {
	both, half, own := voters(mute()), voters(mute(), mute()), voters(mute(), good())
	both[0].tell(mute())
	half[0].tell(good())
	own[1].own = true
	reference := voters(mute(), mute(), good())
	reference[2].reference = true
	unheard := nobodyYet()
	unheard.path[0].asked, unheard.path[either].asked = true, true
	for _, c := range []struct {
		name  string
		hosts []voter
		down  string
	}{
		{"nothing fresh", []voter{unheard, unheard}, ""},
		{"one host", voters(mute()), ""},
		{"one host, two addresses", both, ""},
		{"two hosts", voters(mute(), mute()), "both"},
		{"one answers", voters(mute(), mute(), off(time.Hour)), ""},
		{"one answers on its other address", half, ""},
		{"this host's own address answers", append(own, voters(mute())...), "both"},
		{"a reference answers", reference, ""},
		{"IPv4-only node, one IPv4 host dead", append(voters(mute()), over6(voters(unmeasured(), unmeasured()))...), ""},
		{"IPv4-only node, all IPv4 hosts dead", append(voters(mute(), mute()), over6(voters(unmeasured()))...), "both"},
		{"nothing can be sent", voters(unmeasured(), unmeasured()), "both"},
		{"the first of three, and no route there", append(voters(unmeasured()), unheard, unheard), ""},
		{"two hosts over different families", append(voters(mute()), over6(voters(mute()))...), "both"},
		{"IPv6 is a black hole", dual(voters(good(), good(), mute()), voters(mute(), mute(), mute())), "IPv6"},
		{"IPv4 is a black hole", append(voters(mute(), mute()), over6(voters(good()))...), "IPv4"},
		{"one host dead over IPv6", dual(voters(good(), good()), voters(mute(), unmeasured())), ""},
	} {
		down, _ := networkVote(c.hosts, testEpoch)
		for f, family := range familyWords {
			if (down[f] != "") != (c.down == "both" || c.down == family) {
				t.Errorf("%s: %s: %q, want %v", c.name, family, down[f], c.down)
			}
			if down[f] != "" && (!strings.HasPrefix(down[f], "frozen") || strings.Contains(down[f], family) != (c.down == family)) {
				t.Errorf("%s: %q", c.name, down[f])
			}
		}
	}
}

// The hosts vouch for the network up to the last answer, or when all were asked.
func TestNetworkVouches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := testEpoch.Add(time.Hour)
		var hosts []voter
		want, all := time.Time{}, now
		for range rapid.IntRange(0, 9).Draw(t, "hosts") {
			v := nobodyYet()
			v.own = rapid.Bool().Draw(t, "own")
			v.path[0].asked = true
			if rapid.Bool().Draw(t, "heard") {
				v.path[0].heard = testEpoch.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "at")) * time.Second)
				v.path[0].answered = rapid.Bool().Draw(t, "answered")
			}
			if hosts = append(hosts, v); v.own {
				continue
			}
			if v.path[0].answered && v.path[0].heard.After(want) {
				want = v.path[0].heard
			}
			if v.path[0].heard.Before(all) {
				all = v.path[0].heard
			}
		}
		if all.After(want) {
			want = all
		}
		if _, got := networkVote(hosts, now); !got[0].Equal(want) || got[1] != now {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// A node that loses IPv6 says so and goes on with IPv4: of dual members only the
// IPv6 addresses keep their scores, and those grow no older.
func TestBoardLosesIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(4)
		v6 := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}) }
		for i := range 4 {
			reg.Members[i].Addresses = append(reg.Members[i].Addresses, v6(i))
		}
		b := newBoard(reg)
		running(t, b)
		round := func(six Sample, four ...Sample) {
			for i, s := range four {
				time.Sleep(16 * time.Second)
				b.Record(at(i, s))
				six.Addr, six.Time = v6(i), time.Now()
				b.Record(six)
			}
		}
		for range 40 {
			round(good(), good(), good(), good(), good())
		}
		before := b.Scores()
		for range 150 { // more than two hours
			round(mute(), mute(), good(), good(), good())
		}
		if s := b.Status(); s.Frozen || !slices.Equal(s.Lost, []string{"ipv6"}) || !strings.HasPrefix(s.Warning, "frozen: every member is silent over IPv6") {
			t.Errorf("%+v", s)
		}
		for i := range 4 {
			if s := b.Scores()[v6(i)]; s.Standing != zones.In || s.Value != before[v6(i)].Value {
				t.Errorf("%v: %+v, was %+v", v6(i), s, before[v6(i)])
			}
		}
		wantStandings(t, b, "resort in in in")
		round(good(), good(), good(), good(), good())
		if s := b.Status(); s.Warning != "" || len(s.Lost) > 0 {
			t.Errorf("not thawed: %+v", s)
		}
	})
}

// Where IPv4 is lost and the clock is off, it is the clock that holds all scores.
func TestBoardLosesIPv4AndItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := pool(3)
		for i := range 3 {
			reg.Members[i].Addresses = append(reg.Members[i].Addresses, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}))
		}
		b := newBoard(reg)
		for i := range 3 {
			b.Record(at(i, mute()))
			s := at(i, off(time.Minute))
			s.Addr = reg.Members[i].Addresses[1]
			b.Record(s)
		}
		if s := b.Status(); !s.Frozen || len(s.Lost) != 2 || !strings.Contains(s.Warning, "3 of 3 members have the clock of this node 1m0s or more behind") {
			t.Errorf("%+v", s)
		}
	})
}
