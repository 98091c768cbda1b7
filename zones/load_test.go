package zones

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/timepool/timepool/zones/strict"
)

func addrs(in ...string) (out []netip.Addr) {
	for _, s := range in {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func prefixes(in ...string) (out []netip.Prefix) {
	for _, s := range in {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// load parses one file that must be good.
func load(t testing.TB, content string) *Registry {
	t.Helper()
	r, err := parse([]source{{"pool.yaml", []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pool.yaml"), []byte(`
zone:
  name: pool.example
  also: [ntp.corp.example]
  nameservers:
    ns1.pool.example: [192.0.2.53, "2001:db8::53"]
    ns2.other.example: [192.0.2.54]
  contact: Time.Team@example.org
  ttl: 60s
  default: tyo
  ecs: {trusted: [10.0.0.0/8]}
sites:
  tyo: {continent: asia, at: [35.68, 139.69], networks: [10.32.0.0/12]}
  lon: {country: uk}
members:
  - {name: ntp1.tyo, addresses: [10.32.0.11, "fd12::11"], site: tyo, netspeed: 0, tags: [dmz]}
pools:
  lab: {tags: [lab, dmz], answers: 2}
  dmz: {tags: [dmz], ttl: 5s, floor: 1}
`))
	write(t, filepath.Join(dir, "members.d", "20.yaml"), []byte("members: [{name: b, addresses: [10.0.0.2], state: off, reason: gone}]"))
	write(t, filepath.Join(dir, "members.d", "10.yaml"), []byte("members:\n- {name: a, addresses: [10.0.0.1], tags: [lab]}"))
	got, err := Load(filepath.Join(dir, "pool.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	uk, ok := FindCountry("uk")
	if !ok || uk.Code != "gb" {
		t.Fatalf("FindCountry(uk) = %v", uk)
	}
	want := &Registry{
		Zone: Zone{
			Name: "pool.example", Also: []string{"ntp.corp.example"},
			Nameservers: []Nameserver{{"ns1.pool.example", addrs("192.0.2.53", "2001:db8::53")}, {"ns2.other.example", nil}},
			Contact:     "Time.Team@example.org", TTL: time.Minute, NegativeTTL: 30 * time.Second, Answers: 4, Floor: 4, Near: Near{10, 50}, Default: "tyo", Profile: "lan", Readmit: 10,
			ECS: ECS{On: true, Trusted: prefixes("10.0.0.0/8")},
		},
		Sites: []Site{
			{Name: "lon", Continent: "europe", Country: "gb", At: uk.At},
			{Name: "tyo", Continent: "asia", At: Point{35.68, 139.69, true}, Networks: prefixes("10.32.0.0/12")},
		},
		Members: []Member{
			{Name: "ntp1.tyo", Addresses: addrs("10.32.0.11", "fd12::11"), Site: "tyo", Tags: []string{"dmz"}, Line: "pool.yaml:16"},
			{Name: "a", Addresses: addrs("10.0.0.1"), Netspeed: 1000, Tags: []string{"lab"}, Line: "members.d/10.yaml:2"},
			{Name: "b", Addresses: addrs("10.0.0.2"), Netspeed: 1000, State: Off, Reason: "gone", Line: "members.d/20.yaml:1"},
		},
		Pools: []Pool{
			{TTL: time.Minute, Answers: 4, Floor: 4},
			{Name: "dmz", Tags: []string{"dmz"}, TTL: 5 * time.Second, Answers: 4, Floor: 1},
			{Name: "lab", Tags: []string{"lab", "dmz"}, TTL: time.Minute, Answers: 2, Floor: 4},
		},
		Files: []string{"pool.yaml", "members.d/10.yaml", "members.d/20.yaml"}, Digest: got.Digest,
		Warnings: []string{`pool.yaml:7:5: zone.nameservers["ns2.other.example"]: is not in the zone: its addresses are somebody else's to give, and are left out`,
			`pool.yaml:19:38: pools.dmz.floor: 1 is out of reach: the members that may be handed out here have 0`},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestContactDefault(t *testing.T) {
	r := load(t, render("zone", "ttl", "1s"))
	if r.Zone.Contact != "hostmaster@pool.example" || !r.Zone.ECS.On || r.Zone.ECS.Trusted != nil {
		t.Errorf("zone %+v", r.Zone)
	}
}

// TestDigest: equal files have equal digests wherever they lie; any other
// content, name or cut between files has another.
func TestDigest(t *testing.T) {
	const pool = "zone: {name: a.b, nameservers: {ns.example: []}}\nmembers: [{name: a, addresses: [10.0.0.1]}]\n"
	seen := make(map[[32]byte]string)
	for _, fragments := range []string{"", "a.yaml=members: []\n", "b.yaml=members: []\n", "a.yaml=members: []\n# x\n", "a.yaml=members: []\n|b.yaml=members: []\n"} {
		var digests [2][32]byte
		for i := range digests {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "pool.yaml"), []byte(pool))
			for f := range strings.SplitSeq(fragments, "|") {
				if name, content, ok := strings.Cut(f, "="); ok {
					write(t, filepath.Join(dir, "members.d", name), []byte(content))
				}
			}
			r, err := Load(filepath.Join(dir, "pool.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			digests[i] = r.Digest
		}
		if digests[0] != digests[1] {
			t.Errorf("%q: two digests", fragments)
		}
		if other, ok := seen[digests[0]]; ok {
			t.Errorf("%q and %q have one digest", fragments, other)
		}
		seen[digests[0]] = fragments
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pool.yaml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "pool.yaml") {
		t.Errorf("missing file: %v", err)
	}
	write(t, path, []byte(render("zone", "ttl", "1s")))
	if err := os.MkdirAll(filepath.Join(dir, "members.d", "x.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "x.yaml is not a file") {
		t.Errorf("folder for a file: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "members.d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("large file: %v", err)
	}
}

func TestState(t *testing.T) {
	for s, name := range states {
		var back State
		text, err := State(s).MarshalText()
		if err != nil || string(text) != name || back.UnmarshalText(text) != nil || back != State(s) || State(s).String() != name {
			t.Errorf("state %d: %s, back %v", s, text, back)
		}
	}
	if new(State).UnmarshalText([]byte("Active")) == nil || new(ECS).UnmarshalText([]byte("yes")) == nil || State(9).String() != "state 9" {
		t.Error("what is no state is taken for one")
	}
}

// TestLoadWhatIsWritten: any registry that is written down is read back, and
// with one address or one name twice it is refused, naming both lines.
func TestLoadWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[a-z][a-z0-9-]{2,8}[a-z0-9]`).Filter(func(s string) bool { return s != "asia" && s != "africa" && s != "europe" })
		sites := rapid.SliceOfNDistinct(label, 1, 5, rapid.ID).Draw(t, "sites")
		hosts := rapid.SliceOfNDistinct(rapid.Uint16(), 2, 20, rapid.ID).Draw(t, "hosts")
		text := "zone: {name: pool.example, nameservers: {ns1.other.example: [], ns2.other.example: []}}\nsites:\n"
		for _, s := range sites {
			text += "  " + s + ": {country: de}\n"
		}
		text += "members:\n"
		var want []Member
		for i, h := range hosts {
			m := Member{
				Name:      fmt.Sprintf("m%d.%s", h, rapid.SampledFrom(sites).Draw(t, "name")),
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(h >> 8), byte(h)}), netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(h >> 8), 15: byte(h)})},
				Site:      rapid.SampledFrom(sites).Draw(t, "site"),
				Netspeed:  rapid.IntRange(0, 1e9).Draw(t, "netspeed"),
				State:     State(rapid.IntRange(0, 3).Draw(t, "state")),
				Reason:    rapid.StringOf(rapid.RuneFrom([]rune("aZ9 '\"#:{}[],é-"))).Filter(func(s string) bool { return len(s) < 200 }).Draw(t, "reason"),
				Tags:      rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9._-]{0,9}`), 1, 3).Draw(t, "tags"),
				Line:      fmt.Sprintf("pool.yaml:%d", 4+len(sites)+i),
			}
			quoted := "'" + strings.ReplaceAll(m.Reason, "'", "''") + "'"
			text += fmt.Sprintf("- {name: %s, addresses: [%s, '%s'], site: %s, netspeed: %d, state: %s, reason: %s, tags: ['%s']}\n",
				m.Name, m.Addresses[0], m.Addresses[1], m.Site, m.Netspeed, m.State, quoted, strings.Join(m.Tags, "', '"))
			want = append(want, m)
		}
		r, err := parse([]source{{"pool.yaml", []byte(text)}})
		if err != nil {
			t.Fatalf("%s%v", text, err)
		}
		if !reflect.DeepEqual(r.Members, want) {
			t.Fatalf("%s\ngot  %+v\nwant %+v", text, r.Members, want)
		}
		twice := rapid.SampledFrom(want).Draw(t, "twice")
		_, err = parse([]source{{"pool.yaml", []byte(text)}, {"members.d/x.yaml",
			[]byte(fmt.Sprintf("members: [{name: new, addresses: ['%s']}, {name: %s, addresses: [10.255.255.1]}]", twice.Addresses[1], twice.Name))}})
		fs, ok := err.(strict.Faults)
		if !ok || len(fs) != 2 || !strings.HasSuffix(fs[0].What, "(first at "+twice.Line+")") || !strings.HasSuffix(fs[1].What, "(first at "+twice.Line+")") {
			t.Fatalf("%s %s twice: %v", twice.Name, twice.Addresses[1], err)
		}
	})
}

// FuzzLoad: whatever stands in the files, Load ends with faults that are short
// and few, or with a registry that others can rely on.
func FuzzLoad(f *testing.F) {
	design, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(design, []byte("members: [{name: x, addresses: [10.9.9.9]}]"))
	f.Add([]byte(render("zone", "also", "[a.example]")), []byte("members: []"))
	f.Add([]byte(render("zone", "ecs", "{trusted: [10.0.0.0/8]}")), []byte("members: [*a]"))
	f.Fuzz(func(t *testing.T, pool, fragment []byte) {
		r, err := parse([]source{{"pool.yaml", pool}, {"members.d/a.yaml", fragment}})
		if err == nil {
			invariants(t, r)
			return
		}
		fs, ok := err.(strict.Faults)
		if !ok || len(fs) == 0 || len(fs) > 500 {
			t.Fatalf("%d faults, %T", len(fs), err)
		}
		for _, fault := range fs {
			if s := fault.String(); len(s) > 1200 || strings.ContainsAny(s, "\n\x1b") || !(fault.File == "pool.yaml" || fault.File == "members.d/a.yaml") {
				t.Errorf("fault %q", s)
			}
		}
	})
}

// invariants are what others rely on in a registry.
func invariants(t *testing.T, r *Registry) {
	t.Helper()
	sites, seen := map[string]bool{"": true}, make(map[netip.Addr]bool)
	for _, s := range r.Sites {
		sites[s.Name] = true
		if s.Continent == "" || !slices.Contains(Continents, s.Continent) {
			t.Errorf("site %s on continent %q", s.Name, s.Continent)
		}
	}
	for _, m := range r.Members {
		if !sites[m.Site] || len(m.Addresses) == 0 || m.Netspeed < 0 || m.Name == "" || m.Line == "" {
			t.Errorf("member %+v", m)
		}
		for _, a := range m.Addresses {
			if !a.IsValid() || a.Zone() != "" || a.Is4In6() || seen[a] {
				t.Errorf("member %s: address %v", m.Name, a)
			}
			seen[a] = true
		}
	}
	if len(r.Members) == 0 || len(r.Pools) == 0 || r.Pools[0].Name != "" || r.Pools[0].Tags != nil || len(r.Zone.Nameservers) == 0 || !sites[r.Zone.Default] {
		t.Errorf("registry %+v", r)
	}
	for i, p := range r.Pools {
		if p.TTL < time.Second || p.Answers < 1 || p.Answers > 16 || p.Floor < 1 || i > 0 && (len(p.Tags) == 0 || p.Name <= r.Pools[i-1].Name) {
			t.Errorf("pool %+v", p)
		}
	}
	for _, n := range r.Zone.Nameservers {
		if r.Zone.holds(n.Name) != (len(n.Addresses) > 0) {
			t.Errorf("name server %+v", n)
		}
	}
	if d := Diff(r, r); d != nil {
		t.Errorf("Diff of a registry and itself: %q", d)
	}
}
