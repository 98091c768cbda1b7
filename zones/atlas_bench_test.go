package zones

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
)

// benchFile returns a City file: the one in TIMEPOOL_CITY_MMDB when real, else
// an invented one of 40,000 networks.
func benchFile(b *testing.B, real bool) string {
	if !real {
		return writeCity(b, rand.New(rand.NewPCG(1, 2)), 40_000)
	}
	path := os.Getenv("TIMEPOOL_CITY_MMDB")
	if path == "" {
		b.Skip("TIMEPOOL_CITY_MMDB names no City file")
	}
	return path
}

func files(b *testing.B, run func(b *testing.B, path string)) {
	b.Run("synthetic", func(b *testing.B) { run(b, benchFile(b, false)) })
	b.Run("city", func(b *testing.B) { run(b, benchFile(b, true)) })
}

// benchSites are sixty sites with three networks each, private and public.
func benchSites() *Registry {
	r := &Registry{}
	for i := range 60 {
		r.Sites = append(r.Sites, Site{
			Name: fmt.Sprintf("site%02d", i), Country: "de", At: Point{Lat: float64(i), Lon: float64(i), Known: true},
			Networks: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", 4*i)),
				netip.MustParsePrefix(fmt.Sprintf("80.%d.7.0/24", 2*i)),
				netip.MustParsePrefix(fmt.Sprintf("fd12:3456:%x0::/44", i)),
			},
		})
	}
	return r
}

func BenchmarkFind(b *testing.B) {
	files(b, func(b *testing.B, path string) {
		g, err := OpenGeoIP(path)
		if err != nil {
			b.Fatal(err)
		}
		a := NewAtlas(benchSites(), g)
		rnd := rand.New(rand.NewPCG(3, 4))
		for _, kind := range []struct {
			name string
			next func() netip.Addr
		}{
			{"v4", func() netip.Addr { return random4(rnd) }},
			{"v6", func() netip.Addr { return random6(rnd, 0x2000<<48, 3) }},
			// Where the file has networks: what real clients look like.
			{"v6-used", func() netip.Addr {
				end, _ := g.ranges.v6.end(rnd.IntN(g.ranges.v6.n))
				return random6(rnd, end, 64)
			}},
			{"v4-private", func() netip.Addr { return netip.AddrFrom4([4]byte{10, byte(rnd.Uint32()), byte(rnd.Uint32()), 1}) }},
			{"v6-private", func() netip.Addr { return random6(rnd, 0xfd123456<<32, 32) }},
		} {
			addrs := make([]netip.Addr, 1<<16)
			for i := range addrs {
				addrs[i] = kind.next()
			}
			b.Run(kind.name, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i++
					sink, _ = a.Find(addrs[i&(1<<16-1)])
				}
			})
		}
	})
}

var sink PlaceID

func BenchmarkOpenGeoIP(b *testing.B) {
	files(b, func(b *testing.B, path string) {
		var before, after runtime.MemStats
		var g *GeoIP
		runtime.GC()
		runtime.ReadMemStats(&before)
		for b.Loop() {
			var err error
			if g, err = OpenGeoIP(path); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
		b.ReportMetric(float64(len(g.ranges.v4.lines)), "v4-lines")
		b.ReportMetric(float64(g.ranges.v6.n), "v6-ranges")
		b.ReportMetric(float64(len(g.places)), "places")
		if peak := procStatus("VmHWM"); peak != "" {
			b.Logf("peak of the process %s, now %s", peak, procStatus("VmRSS"))
		}
	})
}

// procStatus reads a line of Linux' /proc/self/status.
func procStatus(key string) string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func BenchmarkNewAtlas(b *testing.B) {
	files(b, func(b *testing.B, path string) {
		g, err := OpenGeoIP(path)
		if err != nil {
			b.Fatal(err)
		}
		r := benchSites()
		b.ReportAllocs()
		for b.Loop() {
			NewAtlas(r, g)
		}
	})
}
