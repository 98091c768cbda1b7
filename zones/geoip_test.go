package zones

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// mmdb is an MMDB file to be written.
type mmdb struct {
	kind     string // its database_type
	version  int    // 4 or 6
	networks []netip.Prefix
	records  []mmdbtype.DataType
}

func (m *mmdb) add(network string, record mmdbtype.DataType) {
	m.networks, m.records = append(m.networks, netip.MustParsePrefix(network)), append(m.records, record)
}

// write writes the file; later networks overwrite earlier ones.
func (m *mmdb) write(t testing.TB, path string) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: m.kind, IPVersion: m.version, IncludeReservedNetworks: true, BuildEpoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range m.networks {
		ip := n.Addr().AsSlice()
		if err := tree.Insert(&net.IPNet{IP: ip, Mask: net.CIDRMask(n.Bits(), 8*len(ip))}, m.records[i]); err != nil {
			t.Fatal(n, err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
}

// cityRecord is a record as in a City file; at is nothing, or latitude and longitude.
func cityRecord(country, continent string, at ...float64) mmdbtype.Map {
	r := mmdbtype.Map{"city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Town of " + country)}}}
	if country != "" {
		r["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(country), "geoname_id": mmdbtype.Uint32(7)}
	}
	if continent != "" {
		r["continent"] = mmdbtype.Map{"code": mmdbtype.String(continent)}
	}
	if len(at) == 2 {
		r["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(at[0]), "longitude": mmdbtype.Float64(at[1]), "accuracy_radius": mmdbtype.Uint16(20)}
	}
	return r
}

func random4(rnd *rand.Rand) netip.Addr {
	u := rnd.Uint32()
	return netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)})
}

// random6 keeps the first bits of head.
func random6(rnd *rand.Rand, head uint64, keep int) netip.Addr {
	var b [16]byte
	k, low := head&^(1<<(64-keep)-1)|rnd.Uint64()&(1<<(64-keep)-1), rnd.Uint64()
	for i := range 8 {
		b[i], b[i+8] = byte(k>>(56-8*i)), byte(low>>(56-8*i))
	}
	return netip.AddrFrom16(b)
}

// writeCity invents a City file.
func writeCity(t testing.TB, rnd *rand.Rand, networks int) string {
	m := &mmdb{kind: "GeoLite2-City", version: 6}
	for range networks {
		c := isoTable()[rnd.IntN(len(isoTable()))]
		r := cityRecord(c.Code, "", c.At.Lat*0.9+rnd.Float64(), c.At.Lon*0.9+rnd.Float64())
		if rnd.IntN(3) > 0 {
			m.networks = append(m.networks, netip.PrefixFrom(random4(rnd), 12+rnd.IntN(13)).Masked())
		} else {
			m.networks = append(m.networks, netip.PrefixFrom(random6(rnd, 0x2a00<<48, 12), 29+rnd.IntN(36)).Masked())
		}
		m.records = append(m.records, r)
	}
	path := filepath.Join(t.TempDir(), "city.mmdb")
	m.write(t, path)
	return path
}

func TestOpenGeoIP(t *testing.T) {
	dir := t.TempDir()
	city := &mmdb{kind: "GeoLite2-City", version: 6}
	city.add("192.0.2.0/24", cityRecord("DE", "EU", 50.1, 8.7))
	city.add("2a02::/20", cityRecord("JP", "AS", 35.7, 139.7))
	path := filepath.Join(dir, "city.mmdb")
	city.write(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	asn := &mmdb{kind: "GeoLite2-ASN", version: 6}
	asn.add("192.0.2.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64496)})
	asn.write(t, filepath.Join(dir, "asn.mmdb"))
	other := &mmdb{kind: "Lunch-Menu", version: 4}
	other.write(t, filepath.Join(dir, "menu.mmdb"))
	wrong := &mmdb{kind: "GeoLite2-City", version: 4}
	wrong.add("192.0.2.0/24", mmdbtype.Map{"country": mmdbtype.String("Germany")})
	wrong.write(t, filepath.Join(dir, "wrong.mmdb"))
	for name, content := range map[string][]byte{
		"empty.mmdb":     nil,
		"garbage.mmdb":   bytes.Repeat([]byte("pool.example "), 5000),
		"truncated.mmdb": whole[:len(whole)-40],
		"headless.mmdb":  whole[len(whole)-200:],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for name, want := range map[string]string{
		"asn.mmdb":       `type "GeoLite2-ASN" has no places: want a City or Country database`,
		"menu.mmdb":      `type "Lunch-Menu" is not known: want a City or Country database`,
		"wrong.mmdb":     "damaged at 192.0.2.0/24",
		"missing.mmdb":   "no such file",
		"empty.mmdb":     "not a complete MMDB file",
		"garbage.mmdb":   "not a complete MMDB file",
		"truncated.mmdb": "not a complete MMDB file",
		"headless.mmdb":  "not a complete MMDB file",
		"":               "",
	} {
		file := filepath.Join(dir, name)
		g, err := OpenGeoIP(file)
		if err == nil || g != nil {
			t.Errorf("%s: opened", name)
			continue
		}
		text := err.Error()
		if !strings.HasPrefix(text, "geoip file") || !strings.Contains(text, filepath.Clean(file)+": ") || !strings.Contains(text, want) || strings.Contains(text, "\n") || strings.Count(text, dir) > 1 {
			t.Errorf("%s: %s", name, text)
		}
	}
	if _, err := OpenGeoIP(path); err != nil {
		t.Error(err)
	}
}

// Whatever byte is wrong: an error or a result, never a crash or an endless walk.
func TestOpenGeoIPDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	whole, err := os.ReadFile(writeCity(t, rnd, 60))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged.mmdb")
	refused := 0
	for range 300 {
		damaged := bytes.Clone(whole)
		for range 1 + rnd.IntN(4) {
			damaged[rnd.IntN(len(damaged))] ^= byte(1 + rnd.IntN(255))
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenGeoIP(path); err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

// A tree of 32 nodes whose branches grow together has 2³² leaves; it is given up.
func TestOpenGeoIPEndless(t *testing.T) {
	m := &mmdb{kind: "GeoLite2-City", version: 4}
	m.add("0.0.0.0/32", cityRecord("DE", "EU"))
	path := filepath.Join(t.TempDir(), "endless.mmdb")
	m.write(t, path)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for node := range 31 { // of two records with 28 bits each: both lead where the left one does
		copy(file[7*node+4:7*node+7], file[7*node:7*node+3])
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = OpenGeoIP(path); err == nil || !strings.Contains(err.Error(), "more networks than") {
		t.Errorf("opened an endless tree: %v", err)
	}
}

func TestCountryFile(t *testing.T) {
	m := &mmdb{kind: "GeoLite2-Country", version: 6}
	m.add("192.0.2.0/24", cityRecord("RU", "EU"))
	m.add("198.51.100.0/24", cityRecord("XK", "EU"))
	m.add("203.0.113.0/24", cityRecord("ZZ", "AF"))
	path := filepath.Join(t.TempDir(), "country.mmdb")
	m.write(t, path)
	g, err := OpenGeoIP(path)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAtlas(&Registry{}, g)
	ru, _ := FindCountry("ru")
	xk, _ := FindCountry("xk")
	for addr, want := range map[string]Place{
		"192.0.2.1":    {Country: "ru", Continent: "europe", At: ru.At, Origin: FromGeoIP},
		"198.51.100.1": {Country: "xk", Continent: "europe", At: xk.At, Origin: FromGeoIP},
		"203.0.113.1":  {Country: "zz", Continent: "africa", Origin: FromGeoIP},
		"233.252.0.1":  {},
	} {
		id, _ := a.Find(netip.MustParseAddr(addr))
		if got := a.Place(id); got != want {
			t.Errorf("%s is at %+v, want %+v", addr, got, want)
		}
	}
}

// TestDisagreements: told are members whose country the registry has, by site or
// by itself, and GeoIP has otherwise.
func TestDisagreements(t *testing.T) {
	m := &mmdb{kind: "GeoLite2-Country", version: 6}
	m.add("192.0.2.0/24", cityRecord("FR", "EU"))
	m.add("198.51.100.0/24", cityRecord("GB", "EU"))
	path := filepath.Join(t.TempDir(), "country.mmdb")
	m.write(t, path)
	g, err := OpenGeoIP(path)
	if err != nil {
		t.Fatal(err)
	}
	r := load(t, `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.53]}}
sites: {fra: {country: de, networks: [192.0.2.0/24]}, sea: {continent: europe}}
members:
  - {name: a, addresses: [192.0.2.1, 10.0.0.1], site: fra}
  - {name: b, addresses: [192.0.2.2], country: fr}
  - {name: c, addresses: [198.51.100.1], country: uk}
  - {name: d, addresses: [198.51.100.2], country: ch}
  - {name: e, addresses: [192.0.2.3]}
  - {name: f, addresses: [192.0.2.4], site: sea}
`)
	want := []string{
		"pool.yaml:5: member a: GeoIP has 192.0.2.1 in fr, the registry in de",
		"pool.yaml:8: member d: GeoIP has 198.51.100.2 in gb, the registry in ch",
	}
	if got := Disagreements(r, g); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Disagreements(r, nil); got != nil {
		t.Errorf("without a file: %q", got)
	}
}

// In an IPv6 file without aliases a network may be so wide that IPv4 lies in it.
func TestWideNetwork(t *testing.T) {
	painted := newPainting()
	painted.leaf(netip.MustParsePrefix("::/80"), 7)
	painted.leaf(netip.MustParsePrefix("2a02::/16"), 8)
	sealed := painted.seal()
	if v, scope := sealed.find(netip.MustParseAddr("192.0.2.1")); v != 7 || scope != 0 {
		t.Errorf("IPv4 has %d, scope %d", v, scope)
	}
	if v, scope := sealed.find(netip.MustParseAddr("::1:0:1")); v != 7 || scope != 80 {
		t.Errorf("IPv6 has %d, scope %d", v, scope)
	}
}

func TestCell(t *testing.T) {
	for _, c := range []struct {
		lat, lon float64
		want     Point
	}{
		{50.11, 8.68, Point{50.5, 8.5, true}},
		{-0.1, -0.1, Point{-0.5, -0.5, true}},
		{0, 8, Point{0.5, 8.5, true}},
		{90, 180, Point{89.5, -179.5, true}},
		{-90, -180, Point{-89.5, -179.5, true}},
		{0, 0, Point{}},
		{90.1, 0, Point{}},
		{12, -180.5, Point{}},
		{math.NaN(), 4, Point{}},
		{4, math.Inf(1), Point{}},
	} {
		if got := cell(c.lat, c.lon); got != c.want {
			t.Errorf("cell(%v, %v) = %v, want %v", c.lat, c.lon, got, c.want)
		}
	}
}
