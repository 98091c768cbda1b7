package resolver

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

func at(lat, lon float64) zones.Point { return zones.Point{Lat: lat, Lon: lon, Known: true} }

// world is a registry of four sites, members as written: "name site netspeed
// state tags address …".
func world(members ...string) *zones.Registry {
	r := &zones.Registry{
		Zone: zones.Zone{Name: "pool.example", Also: []string{"ntp.corp.example"}, Contact: "h@example.org",
			TTL: 150 * time.Second, NegativeTTL: 30 * time.Second, Answers: 4, Floor: 4,
			Nameservers: []zones.Nameserver{{Name: "ns1.pool.example", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.53")}}}},
		Sites: []zones.Site{
			{Name: "fra", Continent: "europe", Country: "de", At: at(50.11, 8.68), Networks: []netip.Prefix{netip.MustParsePrefix("10.16.0.0/12")}},
			{Name: "muc", Continent: "europe", Country: "de", At: at(48.14, 11.58), Networks: []netip.Prefix{netip.MustParsePrefix("10.64.0.0/12")}},
			{Name: "osa", Continent: "asia", Country: "jp", At: at(34.69, 135.50), Networks: []netip.Prefix{netip.MustParsePrefix("10.48.0.0/12")}},
			{Name: "tyo", Continent: "asia", Country: "jp", At: at(35.68, 139.69), Networks: []netip.Prefix{netip.MustParsePrefix("10.32.0.0/12")}},
		},
		Pools: []zones.Pool{{Answers: 4, Floor: 4, TTL: 150 * time.Second}, {Name: "dmz", Tags: []string{"dmz"}, Answers: 2, Floor: 2, TTL: time.Minute}},
	}
	states := map[string]zones.State{"active": zones.Active, "drain": zones.Drain, "off": zones.Off, "monitor": zones.Monitor}
	for _, line := range members {
		f := strings.Fields(line)
		m := zones.Member{Name: f[0], Site: strings.Trim(f[1], "-"), State: states[f[3]], Tags: strings.Split(f[4], ",")}
		fmt.Sscan(f[2], &m.Netspeed)
		for _, a := range f[5:] {
			m.Addresses = append(m.Addresses, netip.MustParseAddr(a))
		}
		r.Members = append(r.Members, m)
	}
	return r
}

// twelve has three members in each site; those of fra and tyo have AAAA too.
func twelve() *zones.Registry {
	var lines []string
	for i, site := range []string{"fra", "muc", "osa", "tyo"} {
		for n := 1; n <= 3; n++ {
			line := fmt.Sprintf("%s%d %s 1000 active - 10.%d.0.%d", site, n, site, []int{16, 64, 48, 32}[i], n)
			if i%3 == 0 {
				line += fmt.Sprintf(" fd00:%d::%d", i, n)
			}
			lines = append(lines, line)
		}
	}
	return world(lines...)
}

// allIn gives every address of r this standing.
func allIn(r *zones.Registry, standing zones.Standing) zones.Scores {
	scores := zones.Scores{}
	for _, m := range r.Members {
		for _, a := range m.Addresses {
			scores[a] = zones.Score{Standing: standing}
		}
	}
	return scores
}

func build(t testing.TB, r *zones.Registry, scores zones.Scores, o Options) *Snapshot {
	t.Helper()
	s, err := Build(r, zones.NewAtlas(r, nil), scores, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ownerOf returns the name as Snapshot.names has it.
func ownerOf(owner string) (w string) {
	for _, l := range strings.Split(owner, ".") {
		w += label(l)
	}
	return w + "\x00"
}

// ask returns the members that one query for owner gets, by name, asked
// from an address.
func ask(t testing.TB, s *Snapshot, owner string, family int, client string, turn uint64) []string {
	t.Helper()
	n := s.names[ownerOf(owner)]
	if n == nil {
		t.Fatalf("no name %s", owner)
	}
	place, _ := s.atlas.Find(netip.MustParseAddr(client))
	d, _ := s.deckFor(n, family, place)
	if d == nil {
		return nil
	}
	out, count := d.deal(nil, turn)
	size := []int{16, 28}[family]
	if len(out) != count*size {
		t.Fatalf("%s: %d records in %d octets", owner, count, len(out))
	}
	var members []string
	for ; len(out) > 0; out = out[size:] {
		addr, _ := netip.AddrFromSlice(out[12:size])
		for _, m := range s.ground.registry.Members {
			if slices.Contains(m.Addresses, addr) {
				members = append(members, m.Name)
			}
		}
	}
	return members
}

// everybody asks so often that all who are ever offered are.
func everybody(t testing.TB, s *Snapshot, owner string, family int, client string) string {
	seen := map[string]bool{}
	var names []string
	for turn := range uint64(64) {
		for _, m := range ask(t, s, owner, family, client, turn) {
			if !seen[m] {
				seen[m] = true
				names = append(names, m)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

const (
	fra, tyo, nowhere = "10.16.0.99", "10.32.0.99", "203.0.113.1"
	inFra, inMuc      = "fra1 fra2 fra3", " muc1 muc2 muc3"
	inOsa, inTyo      = "osa1 osa2 osa3", " tyo1 tyo2 tyo3"
)

func TestWhoIsOffered(t *testing.T) {
	r := twelve()
	s := build(t, r, allIn(r, zones.In), Options{Seed: 1})
	for _, c := range []struct {
		owner, client string
		family        int
		want          string
	}{
		{"pool.example", fra, 0, inFra + inMuc},
		{"pool.example", tyo, 0, inOsa + inTyo},
		{"pool.example", nowhere, 0, inFra + inMuc + " " + inOsa + inTyo},
		{"ntp.corp.example", fra, 0, inFra + inMuc},
		{"europe.pool.example", tyo, 0, inFra + inMuc},
		{"asia.pool.example", fra, 0, inOsa + inTyo},
		{"de.pool.example", nowhere, 0, inFra + inMuc},
		{"fra.pool.example", tyo, 0, inFra + inMuc},
		{"at.pool.example", tyo, 0, inFra + inMuc}, // Vienna is nearer to muc than to fra
		{"kr.ntp.corp.example", fra, 0, inOsa + inTyo},
		{"uk.pool.example", tyo, 0, inFra + inMuc},
		{"pool.example", tyo, 1, inFra + inTyo},
	} {
		if got := everybody(t, s, c.owner, c.family, c.client); got != c.want {
			t.Errorf("%s from %s, family %d: %s, want %s", c.owner, c.client, c.family, got, c.want)
		}
	}
	for turn := range uint64(50) {
		got := ask(t, s, "pool.example", 0, fra, turn)
		if !strings.HasPrefix(got[0], "fra") || !strings.HasPrefix(got[2], "fra") || !strings.HasPrefix(got[3], "muc") {
			t.Fatalf("the site does not come first: %v", got)
		}
	}
	if got := everybody(t, s, "dmz.pool.example", 0, fra); got != "" {
		t.Errorf("tenant without members offers %s", got)
	}
}

// TestWidening: rings come in whole until the floor is met, and the floor may be
// above the answers.
func TestWidening(t *testing.T) {
	r := twelve()
	for floor, want := range map[int]string{1: inFra, 3: inFra, 4: inFra + inMuc, 6: inFra + inMuc, 7: inFra + inMuc + " " + inOsa + inTyo} {
		r.Pools[0].Floor = floor
		s := build(t, r, allIn(r, zones.In), Options{})
		if got := everybody(t, s, "pool.example", 0, fra); got != want {
			t.Errorf("floor %d: %s, want %s", floor, got, want)
		}
	}
}

func TestStandings(t *testing.T) {
	r := world(
		"a fra 1000 active dmz 10.16.0.1 fd00::1", "b fra 1000 drain dmz 10.16.0.2 fd00::2",
		"c fra 1000 off dmz 10.16.0.3", "d fra 1000 monitor dmz 10.16.0.4",
		"e fra 0 active dmz 10.16.0.5", "f fra 1000 active - 10.16.0.6", "g tyo 1000 active dmz 10.32.0.7")
	scores := allIn(r, zones.In)
	scores[netip.MustParseAddr("fd00::1")] = zones.Score{Standing: zones.Resort}
	s := build(t, r, scores, Options{})
	for _, c := range []struct {
		owner  string
		family int
		want   string
	}{
		{"pool.example", 0, "a f g"}, {"dmz.pool.example", 0, "a g"}, {"0.dmz.pool.example", 0, "a g"},
		{"pool.example", 1, "a"}, {"3.fra.pool.example", 1, "a"},
	} {
		if got := everybody(t, s, c.owner, c.family, fra); got != c.want {
			t.Errorf("%s family %d: %s, want %s", c.owner, c.family, got, c.want)
		}
	}
	if got, want := fmt.Sprint(s.Stats().Resort, s.Stats().Empty), "[AAAA of the whole pool AAAA of pool dmz] []"; got != want {
		t.Errorf("resort, empty: %s, want %s", got, want)
	}

	s = build(t, r, nil, Options{})
	if got := everybody(t, s, "asia.pool.example", 0, fra); got != "" || len(s.Stats().Empty) != 4 || s.Stats().Decks != 0 {
		t.Errorf("with no scores %q is offered, %+v", got, s.Stats())
	}
}

// TestNames: every name of every apex is there, and answers from the same decks
// under each.
func TestNames(t *testing.T) {
	r := twelve()
	s := build(t, r, allIn(r, zones.In), Options{})
	places := append([]string{"", "dmz", "fra", "tyo", "uk", "gb"}, zones.Continents...)
	for _, c := range zones.Countries() {
		places = append(places, c.Code)
	}
	for _, prefix := range []string{"", "0.", "1.", "2.", "3."} {
		for _, place := range places {
			if place != "" {
				place += "."
			}
			one, two := s.names[ownerOf(prefix+place+"pool.example")], s.names[ownerOf(prefix+place+"ntp.corp.example")]
			if one == nil || two == nil || !one.pool || !two.pool || one.apex != 0 || two.apex != 1 {
				t.Fatalf("%s%s is missing or of the wrong apex", prefix, place)
			}
			for family := range 2 {
				a, _ := s.deckFor(one, family, zones.PlaceID(family))
				if b, _ := s.deckFor(two, family, zones.PlaceID(family)); a != b {
					t.Errorf("%s%s: the apexes differ", prefix, place)
				}
			}
			if byClient := place == "" || place == "dmz."; one.clientDependent() != byClient {
				t.Errorf("%s%s hangs on the client: %v", prefix, place, one.clientDependent())
			}
		}
	}
	if s.names[ownerOf("4.pool.example")] != nil || s.names[ownerOf("0.0.pool.example")] != nil {
		t.Error("a name too many")
	}
}

// TestNumbered: the numbered names split the members, under every place alike,
// and a name whose quarter has nobody left has everybody.
func TestNumbered(t *testing.T) {
	r := twelve()
	scores := allIn(r, zones.In)
	s := build(t, r, scores, Options{})
	for _, place := range []string{"", "asia.", "fra."} {
		seen := map[string]int{}
		for q := range 4 {
			for _, m := range ask(t, s, fmt.Sprintf("%d.%spool.example", q, place), 0, fra, 5) {
				seen[m]++
			}
		}
		for m, n := range seen {
			if n > 1 || len(seen) < 4 {
				t.Errorf("under %q %s is behind %d numbers, %d members in all", place, m, n, len(seen))
			}
		}
	}
	for i, m := range r.Members {
		if s.ground.quarters[0][i] == 2 {
			delete(scores, m.Addresses[0])
		}
	}
	s = build(t, r, scores, Options{})
	if got, want := everybody(t, s, "2.pool.example", 0, nowhere), everybody(t, s, "pool.example", 0, nowhere); got != want {
		t.Errorf("2. with its quarter gone: %s, want %s", got, want)
	}
}

// TestCache: Build with a previous Snapshot is Build without.
func TestCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := twelve()
		r.Zone.Also, r.Zone.Ramp = nil, rapid.SampledFrom([]int{0, 20}).Draw(t, "ramp")
		r.Pools[0].MinSites, r.Pools[0].FloorNetspeed = rapid.IntRange(0, 3).Draw(t, "sites"), rapid.SampledFrom([]int{0, 5000}).Draw(t, "speed")
		for i := range r.Members {
			r.Members[i].State = rapid.SampledFrom([]zones.State{zones.Active, zones.Active, zones.Fallback, zones.Drain}).Draw(t, "state")
			r.Members[i].Tags = rapid.SampledFrom([][]string{nil, {"dmz"}}).Draw(t, "tags")
			for n := range rapid.IntRange(0, 2).Draw(t, "more addresses") {
				r.Members[i].Addresses = append(r.Members[i].Addresses, netip.AddrFrom4([4]byte{10, 200, byte(i), byte(n)}))
			}
		}
		a := zones.NewAtlas(r, nil)
		var previous *Snapshot
		for range 3 {
			scores, few := zones.Scores{}, previous != nil && rapid.Bool().Draw(t, "few move")
			if few {
				scores = maps.Clone(previous.scores)
			}
			for _, m := range r.Members {
				for _, addr := range m.Addresses {
					if few && rapid.IntRange(0, 9).Draw(t, "moves") > 0 {
						continue
					}
					scores[addr] = zones.Score{Standing: zones.Standing(rapid.IntRange(0, 2).Draw(t, "standing")), Value: rapid.Float64Range(9, 20).Draw(t, "score")}
				}
			}
			o := Options{Seed: rapid.Uint64Range(0, 1).Draw(t, "seed"), Serial: rapid.Uint32Range(5, 6).Draw(t, "serial")}
			plain, err := Build(r, a, scores, o)
			if err != nil {
				t.Fatal(err)
			}
			o.Previous = previous
			cached, err := Build(r, a, scores, o)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(plain, cached) {
				t.Fatal("Build with Previous differs")
			}
			dealsOnlyIn(t, cached, scores)
			if previous != nil { // which a query may still be reading
				dealsOnlyIn(t, previous, previous.scores)
			}
			previous = cached
		}
	})
}

// allDecks numbers the decks as Turns does.
func (s *Snapshot) allDecks() iter.Seq2[int, *deck] {
	return func(yield func(int, *deck) bool) {
		for i, suit := range s.suits {
			for n := range suit.decks {
				if !yield(int(s.bases[i])+n, &suit.decks[n]) {
					return
				}
			}
		}
	}
}

// dealsOnlyIn holds every record that any deck may deal against the scores: a
// member may be In by some of its addresses and measured wrong by others.
func dealsOnlyIn(t *rapid.T, s *Snapshot, scores zones.Scores) {
	for i, d := range s.allDecks() {
		family := d.suit.terms.family
		want := zones.In
		if slices.ContainsFunc(s.stats.Resort, func(l Line) bool { return l == Line{d.suit.terms.pool, family == 1} }) {
			want = zones.Resort
		}
		for _, record := range d.sets {
			if addr := d.suit.address(record); scores[addr].Standing != want || familyOf(addr) != family {
				t.Fatalf("deck %d deals %s, which stands %v", i, addr, scores[addr].Standing)
			}
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	if _, err := Build(&zones.Registry{}, zones.NewAtlas(&zones.Registry{}, nil), nil, Options{}); err == nil {
		t.Error("a registry without pools was built")
	}
}

// crowd is a registry of n members with an A and an AAAA each. Without sites
// they are spread over places that only their networks tell.
func crowd(n, sites, tenants int) *zones.Registry {
	r := world()
	r.Sites, r.Pools = nil, r.Pools[:1]
	rnd := rand.New(rand.NewPCG(1, 1))
	countries := zones.Countries()
	for i := range sites {
		c := countries[(i*7)%len(countries)]
		r.Sites = append(r.Sites, zones.Site{Name: fmt.Sprintf("s%d", i), Country: c.Code, Continent: c.Continent,
			At:       at(c.At.Lat+float64(rnd.IntN(10))-5, c.At.Lon+float64(rnd.IntN(10))-5),
			Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)}})
	}
	for i := range tenants {
		r.Pools = append(r.Pools, zones.Pool{Name: fmt.Sprintf("t%d", i), Tags: []string{fmt.Sprintf("t%d", i)}, Answers: 4, Floor: 4, TTL: time.Minute})
	}
	for i := range n {
		m := zones.Member{Name: fmt.Sprintf("m%d", i), Site: r.Sites[rnd.IntN(sites)].Name, Netspeed: 1000,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)}), netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})}}
		if tenants > 0 {
			m.Tags = []string{fmt.Sprintf("t%d", rnd.IntN(tenants))}
		}
		r.Members = append(r.Members, m)
	}
	return r
}

// BenchmarkBuild: calm is one member that flaps; scores is every member of
// another Standing; registry is from nothing.
func BenchmarkBuild(b *testing.B) {
	for _, size := range []struct{ members, sites, tenants int }{{1000, 12, 4}, {5000, 2000, 12}} {
		r := crowd(size.members, size.sites, size.tenants)
		a := zones.NewAtlas(r, nil)
		scores := allIn(r, zones.In)
		run := func(name string, change func(i int) Options) {
			b.Run(fmt.Sprintf("members=%d/places=%d/%s", size.members, a.Len(), name), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				var s *Snapshot
				for b.Loop() {
					s, _ = Build(r, a, scores, change(i))
					i++
				}
				b.ReportMetric(float64(s.stats.Decks), "decks")
				b.ReportMetric(float64(s.stats.Bytes)/1e6, "MB")
				b.ReportMetric(float64(s.stats.Names), "names")
			})
		}
		run("registry", func(int) Options { return Options{} })
		first, err := Build(r, a, scores, Options{})
		if err != nil {
			b.Fatal(err)
		}
		run("scores", func(i int) Options { return Options{Previous: first, Seed: uint64(i + 1)} })
		run("calm", func(i int) Options {
			scores[r.Members[0].Addresses[0]] = zones.Score{Standing: zones.Standing(i % 2 * 2)}
			return Options{Previous: first}
		})
	}
}
