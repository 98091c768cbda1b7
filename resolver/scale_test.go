package resolver

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/timepool/timepool/zones"
)

// planet is n members that only GeoIP places, 60 sites for clients, 12 tenants
// and the City file in TIMEPOOL_CITY_MMDB; without one every member has one of
// 7,000 invented sites.
func planet(b *testing.B, n int) (*zones.Registry, *zones.Atlas) {
	path := os.Getenv("TIMEPOOL_CITY_MMDB")
	if path == "" {
		r := crowd(n, 7000, 12)
		return r, zones.NewAtlas(r, nil)
	}
	g, err := zones.OpenGeoIP(path)
	if err != nil {
		b.Fatal(err)
	}
	r := crowd(n, 60, 12)
	a := zones.NewAtlas(r, g)
	rnd := rand.New(rand.NewPCG(2, 3))
	taken := map[netip.Addr]bool{}
	for i := range r.Members {
		for {
			addr := netip.AddrFrom4([4]byte{byte(1 + rnd.IntN(223)), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())})
			if id, _ := a.Find(addr); a.Place(id).Origin == zones.FromGeoIP && !taken[addr] {
				r.Members[i].Site, r.Members[i].Addresses[0], taken[addr] = "", addr, true
				break
			}
		}
	}
	return r, a
}

// BenchmarkScale: nothing is Build from nothing, nearness of it the ground
// alone; flap is one member crossing 10, some one in fifty doing so, epoch all
// dealt anew. TIMEPOOL_BENCH_LARGE adds 100,000 members.
func BenchmarkScale(b *testing.B) {
	sizes := []int{5000}
	if os.Getenv("TIMEPOOL_BENCH_LARGE") != "" {
		sizes = append(sizes, 100000)
	}
	for _, n := range sizes {
		r, a := planet(b, n)
		scores := allIn(r, zones.In)
		all := maps.Clone(scores)
		first, err := Build(r, a, scores, Options{})
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, change func(i int) Options) {
			b.Run(fmt.Sprintf("members=%d/places=%d/spots=%d/%s", n, a.Len(), len(first.ground.spots), name), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				var s *Snapshot
				for b.Loop() {
					s, _ = Build(r, a, scores, change(i))
					i++
				}
				b.ReportMetric(float64(s.stats.Decks), "decks")
				b.ReportMetric(float64(s.stats.Cards), "cards")
				b.ReportMetric(float64(s.stats.Bytes)/1e6, "MB")
				b.ReportMetric(float64(s.stats.Names), "names")
			})
		}
		flip := func(members int, i int) { // each time others, and never back to what first has
			clear(scores)
			maps.Copy(scores, all)
			for m := range members {
				for _, addr := range r.Members[(m*7+i)%n].Addresses {
					delete(scores, addr)
				}
			}
		}
		run("nothing", func(int) Options { return Options{} })
		b.Run(fmt.Sprintf("members=%d/nearness", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := survey(r, a, &Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		run("flap", func(i int) Options { flip(1, i); return Options{Previous: first} })
		run("some", func(i int) Options { flip(n/50, i); return Options{Previous: first} })
		run("epoch", func(i int) Options { return Options{Previous: first, Epoch: uint64(i + 1)} })
	}
}
