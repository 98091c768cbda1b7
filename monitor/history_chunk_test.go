package monitor

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

// anyPoint draws a check as chunks keep it, or ten minutes of them.
func anyPoint(rolled bool) *rapid.Generator[Point] {
	return rapid.Custom(func(t *rapid.T) Point {
		number := func(name string, lo, hi int64) int64 {
			if rapid.Bool().Draw(t, name+" wild") {
				lo, hi = math.MinInt64/200, math.MaxInt64/200
			}
			return rapid.Int64Range(lo, hi).Draw(t, name)
		}
		k := packed{
			inTime:    testEpoch.UnixMilli() + rapid.Int64Range(-1e10, 1e10).Draw(t, "time"),
			inOutcome: rapid.Int64Range(0, 2).Draw(t, "outcome"), inLeap: rapid.Int64Range(0, 3).Draw(t, "leap"), inFrozen: rapid.Int64Range(0, 1).Draw(t, "frozen"),
			inStratum: rapid.Int64Range(0, 16).Draw(t, "stratum"), inRefID: int64(rapid.Uint32().Draw(t, "refid")),
			inSent: rapid.Int64Range(0, 9).Draw(t, "sent"), inLost: rapid.Int64Range(0, 9).Draw(t, "lost"),
			inScore: rapid.Int64Range(-100e3, 20e3).Draw(t, "score"), inStep: rapid.Int64Range(-10e3, 1e3).Draw(t, "step"),
			inOffset: number("offset", -1e6, 1e6), inRTT: number("rtt", 0, 1e6), inSlack: number("slack", 0, 1e6), inVantage: rapid.Int64Range(0, 2).Draw(t, "vantage"),
		}
		c := coder{texts: []string{"", "fra", "tyo"}}
		if rapid.Bool().Draw(t, "texts") {
			for i := range int64(3) {
				k[inKiss+i] = 3 + i
				c.texts = append(c.texts, rapid.StringN(0, -1, textMax).Draw(t, "text"))
			}
		}
		if rolled {
			for i := inChecks; i < inVantage; i++ {
				k[i] = rapid.Int64Range(1, 1e5).Draw(t, "sum")
			}
		}
		var p Point
		p.Addr = testAddr
		c.convert(&p, &k, false)
		return p
	})
}

func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.OneOf(anyPoint(false), anyPoint(true)), 1, 20).Draw(t, "points")
		whole := writeChunk(points)
		if got, err := readChunk(nil, testAddr, whole); err != nil || !slices.Equal(got, points) {
			t.Fatalf("%v\n%+v\n%+v", err, got, points)
		}
		whole[rapid.IntRange(0, len(whole)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := readChunk(nil, testAddr, whole); err == nil {
			t.Fatal("a damaged chunk was read")
		}
	})
}

// FuzzReadChunk gives a chunk's reader what it likes, with the right sum.
func FuzzReadChunk(f *testing.F) {
	for _, points := range [][]Point{nil, lifelike(5), roll(lifelike(50)), {pointOf(&Row{Sample: kiss("RATE")}), pointOf(&Row{Sample: unmeasured()})}} {
		f.Add(writeChunk(points)[4:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		chunk := append([]byte{0, 0, 0, 0}, body...)
		binary.BigEndian.PutUint32(chunk, crc32.Checksum(chunk[4:], castagnoli))
		points, err := readChunk(nil, testAddr, chunk)
		if err != nil {
			return
		}
		if len(points) > len(body) {
			t.Fatalf("%d points in %d octets", len(points), len(body))
		}
		writeChunk(points)
	})
}

// lifelike is n checks, one every 64 s, of a good server over a network: the
// offset wanders by some tens of microseconds, the round trip has a tail, its
// dispersion grows between its own checks, and now and then an answer is lost.
func lifelike(n int) (points []Point) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var r Row
	wander := 0.0
	for i := range n {
		wander = 0.95*wander + rng.NormFloat64()*15e3
		rtt := time.Duration(400e3 + rng.ExpFloat64()*60e3)
		s := Sample{
			Time: testEpoch.Add(time.Duration(i)*64*time.Second + time.Duration(rng.IntN(4e6)) + rtt), Vantage: "fra", Addr: testAddr,
			Offset: time.Duration(wander + rng.NormFloat64()*20e3), RTT: rtt, RootDistance: rtt/2 + 3*time.Millisecond + time.Duration(i%16)*960*time.Microsecond/64,
			Stratum: 2, RefID: 0x0a100001, Sent: 3,
		}
		if rng.IntN(100) == 0 {
			s.Lost = 1
		}
		if rng.IntN(400) == 0 {
			s = Sample{Time: s.Time, Vantage: "fra", Addr: testAddr, Outcome: Silent, Sent: 3, Lost: 3, Err: timedOut}
		}
		r = r.After(s, zones.LAN(), false)
		points = append(points, pointOf(&Row{Sample: s, Score: r.Score, Step: r.Step}))
	}
	return points
}

// BenchmarkChunk prints what a check takes on the disk, and how long it takes
// to read a day of them.
func BenchmarkChunk(b *testing.B) {
	points := lifelike(1350)
	chunk := writeChunk(points)
	b.Run("read a day", func(b *testing.B) {
		buf := make([]Point, 0, 2*len(points))
		for b.Loop() {
			if _, err := readChunk(buf, testAddr, chunk); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(chunk))/float64(len(points)), "octets/check")
	})
	b.Run("write a day", func(b *testing.B) {
		for b.Loop() {
			writeChunk(points)
		}
	})
}

func TestChunkIsSmall(t *testing.T) {
	if got := float64(len(writeChunk(lifelike(1350)))) / 1350; got > 10 {
		t.Errorf("%.2f octets a check", got)
	}
	rolled := roll(lifelike(1350))
	if got := float64(len(writeChunk(rolled))) / float64(len(rolled)); got > 26 {
		t.Errorf("%.2f octets for ten minutes", got)
	}
}

func TestKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-1<<32, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
		})
		a, b := instant.Draw(t, "a"), instant.Draw(t, "b")
		if slices.Compare(timeKey(a), timeKey(b)) != a.Compare(b) {
			t.Fatalf("keys of %v and %v sort otherwise", a, b)
		}
		if !keyTime(timeKey(a)).Equal(a) {
			t.Fatalf("the key of %v is that of %v", a, keyTime(timeKey(a)))
		}
	})
	seen := map[string]bool{}
	for _, s := range []string{"1.2.3.4", "::ffff:1.2.3.4", "fe80::1", "fe80::1%eth0", "::"} {
		for _, v := range []string{"", "fra"} {
			seen[fmt.Sprintf("%x", rowKey(Key{netip.MustParseAddr(s), v}))] = true
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
