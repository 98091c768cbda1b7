package resolver

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

const longLabel = "a-tenant-with-a-name-that-fills-its-label-up-to-the-very-brim63"

var sampleRegistry = zones.Registry{
	Zone: zones.Zone{
		Name: "pool.example",
		Also: []string{"ntp.corp.example"},
		Nameservers: []zones.Nameserver{
			{Name: "ns1.pool.example", Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("192.0.2.53")}},
			{Name: "b.dns.pool.example", Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.53")}},
			{Name: "ns.other.net"},
		},
		Contact:     "host.master@example.org",
		TTL:         150 * time.Second,
		NegativeTTL: 30 * time.Second,
		Answers:     4,
		Floor:       4,
		ECS:         zones.ECS{On: true},
	},
	Sites: []zones.Site{
		{Name: "fra", Continent: "europe", Country: "de", Networks: prefixes("10.16.0.0/12", "fd12:3456:10::/44"), At: zones.Point{Lat: 50.11, Lon: 8.68, Known: true}},
		{Name: "tyo", Continent: "asia", Country: "jp", Networks: prefixes("10.32.0.0/12", "10.16.128.0/24", "fd12:3456:20::/44"), At: zones.Point{Lat: 35.68, Lon: 139.69, Known: true}},
	},
	Pools: []zones.Pool{
		{TTL: 150 * time.Second, Answers: 4, Floor: 4},
		tenant(longLabel, 16),
		tenant("dead", 4),
		tenant("one", 4),
		tenant("quad", 4),
		tenant("v4", 4),
	},
}

func tenant(name string, answers int) zones.Pool {
	return zones.Pool{Name: name, Tags: []string{name}, TTL: 150 * time.Second, Answers: answers, Floor: answers}
}

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, p := range list {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

// sample is a small snapshot, and what the oracle has to know of it.
type sample struct {
	*Snapshot
	turns  *Turns              // for answers
	shadow *Turns              // dealing the same, for the oracle
	static map[string][]dns.RR // by owner, from testdata/static.zone
	pools  map[string]*name    // by owner, dotted
}

// newSample has four members in each of two sites; the tenants quad (four A,
// four AAAA), v4 (A only), dead (nobody), one (a single A), and one with sixteen AAAA and a name
// that is long.
func newSample(t testing.TB) *sample {
	t.Helper()
	return sampleWith(t, wireIdentity, "")
}

// sampleWith is newSample with other options and a report channel.
func sampleWith(t testing.TB, o Options, agent string) *sample {
	t.Helper()
	r, scores := sampleRegistry, zones.Scores{}
	add := func(name, site, tag string, addrs ...string) {
		m := zones.Member{Name: name, Site: site, Tags: []string{tag}, Netspeed: 1000}
		for _, a := range addrs {
			m.Addresses = append(m.Addresses, netip.MustParseAddr(a))
			if tag != "dead" {
				scores[m.Addresses[len(m.Addresses)-1]] = zones.Score{Value: 20, Standing: zones.In}
			}
		}
		r.Members = append(r.Members, m)
	}
	for i := range 4 {
		add(fmt.Sprint("fra", i), "fra", "quad", fmt.Sprint("10.16.0.", i), fmt.Sprint("fd12:3456:10::", i))
		add(fmt.Sprint("tyo", i), "tyo", "v4", fmt.Sprint("10.32.0.", i))
	}
	for i := range 16 {
		add(fmt.Sprint("long", i), "tyo", longLabel, fmt.Sprint("fd12:3456:20::", i))
	}
	add("one", "fra", "one", "10.16.0.50")
	add("dead", "fra", "dead", "10.16.0.99", "fd12:3456:10::99")
	r.Zone.ReportChannel = agent
	snapshot, err := Build(&r, zones.NewAtlas(&r, nil), scores, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &sample{
		Snapshot: snapshot, turns: newTurns(snapshot, nil, 1), shadow: newTurns(snapshot, nil, 1),
		static: map[string][]dns.RR{}, pools: map[string]*name{},
	}
	for _, zone := range []string{"pool.example.", "ntp.corp.example."} {
		for _, pool := range r.Pools {
			owner := strings.TrimPrefix(pool.Name+"."+zone, ".")
			wire, _ := wireName(owner)
			if m.pools[owner] = m.names[wire]; m.names[wire] == nil {
				t.Fatal("no " + owner)
			}
		}
	}
	text, err := os.Open("testdata/static.zone")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	parser := dns.NewZoneParser(text, "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		m.static[rr.Header().Name] = append(m.static[rr.Header().Name], rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// unhex reads octets written in hex, with blanks where they help.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
