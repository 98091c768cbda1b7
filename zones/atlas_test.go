package zones

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"pgregory.net/rapid"
)

// geoRecords are records and the places they mean.
var geoRecords = []struct {
	record mmdbtype.Map
	place  Place
}{
	{cityRecord("DE", "EU", 50.1, 8.7), Place{Country: "de", Continent: "europe", At: Point{50.5, 8.5, true}, Origin: FromGeoIP}},
	{cityRecord("DE", "EU", 50.9, 8.1), Place{Country: "de", Continent: "europe", At: Point{50.5, 8.5, true}, Origin: FromGeoIP}}, // the same cell
	{cityRecord("DE", "EU"), Place{Country: "de", Continent: "europe", Origin: FromGeoIP}},
	{cityRecord("FJ", "OC", -17.2, -179.3), Place{Country: "fj", Continent: "oceania", At: Point{-17.5, -179.5, true}, Origin: FromGeoIP}},
	{cityRecord("", "AS"), Place{Continent: "asia", Origin: FromGeoIP}},
	{cityRecord("", ""), Place{}}, // says nothing
}

// world is what an Atlas is made of, for the linear scan.
type world struct {
	registry *Registry
	geo      []netip.Prefix // later ones overwrite earlier ones
	records  []int          // of geo, in geoRecords
	fallback Place
}

func (w *world) place(a netip.Addr) Place {
	best, longest := "", -1
	for i, s := range w.registry.Sites {
		for _, n := range s.Networks {
			if n.Contains(a) && n.Bits() > longest {
				best, longest = w.registry.Sites[i].Name, n.Bits()
			}
		}
	}
	if longest >= 0 {
		return Place{Site: best, Country: "jp", Continent: "asia", At: Point{35, 139, true}, Origin: FromRegistry}
	}
	for i := len(w.geo) - 1; i >= 0; i-- {
		if w.geo[i].Contains(a) {
			if p := geoRecords[w.records[i]].place; p != (Place{}) {
				return p
			}
			break
		}
	}
	return w.fallback
}

// edges are the addresses next to which alone a place can change.
func (w *world) edges(p netip.Prefix) []netip.Addr {
	networks := slices.Clone(w.geo)
	for _, s := range w.registry.Sites {
		networks = append(networks, s.Networks...)
	}
	all := []netip.Addr{p.Addr(), lastOf(p)}
	for _, n := range networks {
		all = append(all, n.Addr(), n.Addr().Prev(), lastOf(n), lastOf(n).Next())
	}
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return !a.IsValid() || a.Is4In6() || !p.Contains(a) })
}

// TestFind checks place and prefix against a linear scan: every address in the
// prefix has the place, and in the prefix one bit shorter some have not.
func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{registry: &Registry{}}
		m := &mmdb{kind: "GeoLite2-City", version: rapid.SampledFrom([]int{4, 6, 6}).Draw(rt, "version")}
		families := []family{{32}, {128}}[:m.version/2-1]
		for range rapid.IntRange(0, 20).Draw(rt, "geo networks") {
			f := rapid.SampledFrom(families).Draw(rt, "family")
			n := f.drawNetwork(rt)
			if n.Overlaps(netip.MustParsePrefix("::/6")) || n.Overlaps(netip.MustParsePrefix("2000::/6")) {
				continue // where an IPv6 file has its aliases of IPv4
			}
			r := rapid.IntRange(0, len(geoRecords)-1).Draw(rt, "record")
			w.geo, w.records = append(w.geo, n), append(w.records, r)
			m.networks, m.records = append(m.networks, n), append(m.records, geoRecords[r].record)
		}
		m.write(t, path)
		taken := map[netip.Prefix]bool{}
		for i := range rapid.IntRange(0, 6).Draw(rt, "sites") {
			s := Site{Name: fmt.Sprint("s", i), Country: "jp", Continent: "asia", At: Point{35, 139, true}}
			for range rapid.IntRange(0, 4).Draw(rt, "networks") {
				n := rapid.SampledFrom([]family{{32}, {128}}).Draw(rt, "family").drawNetwork(rt)
				if !taken[n] {
					taken[n] = true
					s.Networks = append(s.Networks, n)
				}
			}
			w.registry.Sites = append(w.registry.Sites, s)
		}
		if len(w.registry.Sites) > 0 && rapid.Bool().Draw(rt, "default") {
			w.registry.Zone.Default = "s0"
			w.fallback = Place{Site: "s0", Country: "jp", Continent: "asia", At: Point{35, 139, true}, Origin: FromDefault}
		}
		g, err := OpenGeoIP(path)
		if err != nil {
			rt.Fatal(err)
		}
		a := NewAtlas(w.registry, g)
		for _, f := range []family{{32}, {128}} {
			whole := netip.PrefixFrom(f.drawAddr(rt), 0).Masked()
			for _, addr := range append(w.edges(whole), f.drawAddr(rt), f.drawAddr(rt)) {
				checkFind(rt, w, a, addr)
			}
		}
	})
}

func checkFind(t *rapid.T, w *world, a *Atlas, addr netip.Addr) {
	id, prefix := a.Find(addr)
	want := w.place(addr)
	if got := a.Place(id); got != want {
		t.Fatalf("Find(%s) is %+v, want %+v", addr, got, want)
	}
	if (id == 0) != (want == w.fallback) {
		t.Fatalf("Find(%s) is place %d", addr, id)
	}
	if !prefix.Contains(addr) || prefix != prefix.Masked() {
		t.Fatalf("Find(%s) has prefix %s", addr, prefix)
	}
	for _, b := range w.edges(prefix) {
		if other := w.place(b); other != want {
			t.Fatalf("Find(%s) has prefix %s, but %s in it is at %+v", addr, prefix, b, other)
		}
	}
	if prefix.Bits() > 0 {
		shorter := netip.PrefixFrom(addr, prefix.Bits()-1).Masked()
		if !slices.ContainsFunc(w.edges(shorter), func(b netip.Addr) bool { return w.place(b) != want }) {
			t.Fatalf("Find(%s) has prefix %s, and %s would do", addr, prefix, shorter)
		}
	}
}

func TestFindForms(t *testing.T) {
	r := &Registry{Sites: []Site{
		{Name: "fra", Country: "de", Networks: []netip.Prefix{netip.MustParsePrefix("10.16.0.0/12"), netip.MustParsePrefix("fe80::/10")}},
		{Name: "lon", Country: "uk", At: Point{51.5, -0.1, true}, Networks: []netip.Prefix{netip.MustParsePrefix("10.16.7.0/24")}},
		{Name: "sea", Continent: "oceania"},
	}}
	a := NewAtlas(r, nil)
	if a.Len() != 4 {
		t.Fatalf("%d places, want the default and three sites", a.Len())
	}
	de, _ := FindCountry("de")
	for _, c := range []struct{ addr, prefix, site string }{
		{"10.16.0.1", "10.16.0.0/22", "fra"},
		{"10.16.7.255", "10.16.7.0/24", "lon"},
		{"::ffff:10.16.7.9", "10.16.7.0/24", "lon"},
		{"10.31.255.255", "10.24.0.0/13", "fra"},
		{"10.32.0.0", "10.32.0.0/11", ""},
		{"192.0.2.1", "128.0.0.0/1", ""},
		{"fe80::1%eth0", "fe80::/10", "fra"},
		{"2001:db8::", "::/1", ""},
	} {
		id, prefix := a.Find(netip.MustParseAddr(c.addr))
		if got := a.Place(id).Site; got != c.site || prefix.String() != c.prefix {
			t.Errorf("Find(%s) = %q %s, want %q %s", c.addr, got, prefix, c.site, c.prefix)
		}
	}
	if id, prefix := a.Find(netip.Addr{}); id != 0 || prefix.IsValid() {
		t.Errorf("Find of no address = %d %s", id, prefix)
	}
	for id, want := range []Place{
		{},
		{Site: "fra", Country: "de", Continent: "europe", At: de.At, Origin: FromRegistry}, // the country's middle
		{Site: "lon", Country: "gb", Continent: "europe", At: Point{51.5, -0.1, true}, Origin: FromRegistry},
		{Site: "sea", Continent: "oceania", Origin: FromRegistry},
	} {
		if got := a.Place(PlaceID(id)); got != want {
			t.Errorf("place %d is %+v, want %+v", id, got, want)
		}
	}
	if id, prefix := NewAtlas(&Registry{}, nil).Find(netip.MustParseAddr("2001:db8::1")); id != 0 || prefix.String() != "::/0" {
		t.Errorf("an empty Atlas finds %d %s", id, prefix)
	}
}

// An edit of the registry must not shift what the same file's places are called.
func TestNewAtlasIsDeterministic(t *testing.T) {
	m := &mmdb{kind: "GeoLite2-City", version: 6}
	for i := range 200 {
		m.add(fmt.Sprintf("%d.%d.0.0/16", 20+i%40, i), geoRecords[i%len(geoRecords)].record)
	}
	path := filepath.Join(t.TempDir(), "city.mmdb")
	m.write(t, path)
	var atlases []*Atlas
	for range 2 {
		g, err := OpenGeoIP(path)
		if err != nil {
			t.Fatal(err)
		}
		atlases = append(atlases, NewAtlas(benchSites(), g), NewAtlas(benchSites(), g))
	}
	for _, a := range atlases[1:] {
		if !slices.Equal(a.places, atlases[0].places) {
			t.Fatal("places are numbered otherwise the second time")
		}
	}
	if got := atlases[0].Place(60).Site; got != "site59" {
		t.Errorf("place 60 is %q, want the last site", got)
	}
}
