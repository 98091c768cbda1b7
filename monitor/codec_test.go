package monitor

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScoredIsSmall(t *testing.T) {
	s := Scored{Sample: off(-312 * time.Millisecond), Score: -99.123456, Step: -3.999999}
	s.RTT, s.RootDistance, s.RefID = 213*time.Millisecond, 1400*time.Millisecond, math.MaxUint32
	if n := len(appendScored(nil, s)); n > 40 {
		t.Errorf("%d octets", n)
	}
	if n := len(appendScored(nil, Scored{Sample: mute(), Score: -99.9, Step: -5})); n > 24 {
		t.Errorf("%d octets for an unanswered check", n)
	}
}

var anyScored = rapid.Custom(func(t *rapid.T) Scored {
	duration := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "ns")) })
	return Scored{
		Sample: Sample{
			Outcome: Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
			Offset:  duration.Draw(t, "offset"), RTT: duration.Draw(t, "rtt"), RootDistance: duration.Draw(t, "distance"),
			Stratum: rapid.Byte().Draw(t, "stratum"), Leap: rapid.ByteRange(0, 3).Draw(t, "leap"), RefID: rapid.Uint32().Draw(t, "refid"),
			Kiss: rapid.StringN(0, 4, 4).Draw(t, "kiss"), Invalid: rapid.String().Draw(t, "invalid"), Err: rapid.StringN(0, -1, textMax).Draw(t, "err"),
			Sent: rapid.IntRange(0, 9).Draw(t, "sent"), Lost: rapid.IntRange(0, 9).Draw(t, "lost"),
		},
		Score: float64(rapid.IntRange(-100e6, 20e6).Draw(t, "score")) / 1e6, Step: float64(rapid.IntRange(-10e6, 1e6).Draw(t, "step")) / 1e6,
		Frozen: rapid.Bool().Draw(t, "frozen"),
	}
})

func TestScoredRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScored.Draw(t, "s")
		b := appendScored(nil, s)
		if got, err := readScored(b); err != nil || got != s {
			t.Fatalf("%v\n%+v\n%+v", err, got, s)
		}
		if _, err := readScored(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("a cut value was read")
		}
		if _, err := readScored(append(b, 0)); err == nil {
			t.Fatal("a value with an octet too many was read")
		}
	})
}

func TestKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-1<<32, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
		})
		a, b := instant.Draw(t, "a"), instant.Draw(t, "b")
		vantage := rapid.String().Draw(t, "vantage")
		ka, kb := sampleKey(a, vantage), sampleKey(b, vantage)
		if bytes.Compare(ka, kb) != a.Compare(b) {
			t.Fatalf("keys of %v and %v sort otherwise", a, b)
		}
		at, v, err := readSampleKey(ka)
		if err != nil || !at.Equal(a) || v != vantage {
			t.Fatalf("%v %q %v", at, v, err)
		}
	})
	seen := map[string]bool{}
	for _, s := range []string{"1.2.3.4", "::ffff:1.2.3.4", "fe80::1", "fe80::1%eth0", "::"} {
		for _, v := range []string{"", "fra"} {
			seen[string(rowKey(Key{netip.MustParseAddr(s), v}))] = true
		}
	}
	if len(seen) != 10 {
		t.Errorf("only %d of 10 keys differ", len(seen))
	}
}

func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := follow(rapid.SliceOfN(anySample, 0, 30).Draw(t, "samples")...)
		b, err := json.Marshal(r)
		var got Row
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got != r {
			t.Fatalf("%v\n%+v\n%+v", err, got, r)
		}
	})
}

func FuzzReadScored(f *testing.F) {
	f.Add(appendScored(nil, Scored{Sample: good(), Score: 20, Step: 1}))
	f.Add(appendScored(nil, Scored{Sample: kiss("RATE"), Score: -3.5, Step: -3.5, Frozen: true}))
	f.Add(appendScored(nil, Scored{Sample: unmeasured()}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readScored(b)
		if err != nil {
			return
		}
		s.Err = s.Err[:min(len(s.Err), textMax)]
		again, err := readScored(appendScored(nil, s))
		if err != nil || again != s && math.Abs(s.Score) < 1e6 && math.Abs(s.Step) < 1e6 {
			t.Fatalf("%v\n%+v\n%+v", err, again, s)
		}
	})
}
