package web

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

func pageOf(t testing.TB, v View, o Options, path string) string {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	Handler(func() View { return v }, o).ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// order lists the addresses in the order in which the list shows them.
func order(v View, text string) (found []string) {
	_, body, _ := strings.Cut(text, "<tbody>")
	for _, part := range strings.Split(body, `<span class="address">`)[1:] {
		addr, _, _ := strings.Cut(part, "<")
		found = append(found, addr)
	}
	return found
}

func TestMemberList(t *testing.T) {
	v := pool()
	v.Members = v.Members[:4]
	for query, want := range map[string]string{
		"":                       "[10.16.0.11 fd12:3456:10::11 10.16.0.12 10.32.0.11]",
		"?sort=score":            "[fd12:3456:10::11 10.32.0.11 10.16.0.11 10.16.0.12]",
		"?sort=score&down=1":     "[10.16.0.12 10.16.0.11 10.32.0.11 fd12:3456:10::11]",
		"?sort=nonsense&page=-4": "[10.16.0.11 fd12:3456:10::11 10.16.0.12 10.32.0.11]",
		"?site=tyo":              "[10.32.0.11]",
		"?verdict=drain":         "[10.16.0.12]",
		"?q=NTP1+fra":            "[10.16.0.11 fd12:3456:10::11]",
		"?q=10.16.&page=9":       "[10.16.0.11 10.16.0.12]",
		"?q=silent":              "[10.32.0.11]",
	} {
		if got := fmt.Sprint(order(v, page(t, v, "/members"+query))); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	text := page(t, v, "/members?sort=score&q=ntp")
	for _, want := range []string{`aria-sort="ascending"><a href="/members?down=1&amp;q=ntp&amp;sort=score">score`, `aria-sort="none"><a href="/members?q=ntp&amp;sort=rtt">`, `value="ntp"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if !strings.Contains(page(t, v, "/members?q=%3Cb%3E"), "Nobody is like that") {
		t.Error("an empty list says nothing")
	}
}

// crowd is a pool of hosts in 40 sites, each with an address of each family.
func crowd(hosts int) View {
	v := pool()
	v.Members, v.Registry.Sites = nil, nil
	for i := range 40 {
		v.Registry.Sites = append(v.Registry.Sites, zones.Site{
			Name: fmt.Sprintf("s%02d", i), Continent: "europe", At: zones.Point{Lat: float64(i*4 - 60), Lon: float64(i*9 - 180), Known: true},
			Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)},
		})
	}
	for i := range hosts {
		for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i % 40), byte(i >> 8), byte(i)}), netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)})} {
			v.Members = append(v.Members, monitor.Member{
				Name: fmt.Sprintf("ntp%d", i), Address: a, Site: fmt.Sprintf("s%02d", i%40), State: "active", In: i%9 != 0, Standing: "in",
				Score: float64(i%20) + 0.25, Since: v.Started, RTT: time.Millisecond, Timed: true, Why: "in: score 19.9, offset +12 µs",
			})
		}
	}
	return v
}

func TestLongListHasPages(t *testing.T) {
	v := crowd(150)
	text := page(t, v, "/members?sort=score&page=2")
	if n := len(order(v, text)); n != 100 || !strings.Contains(text, `page=2&amp;sort=score" aria-current="page">2</a>`) {
		t.Errorf("page 2 has %d rows", n)
	}
}

// Names on the map cover neither spots nor one another.
func TestMapKeepsNamesApart(t *testing.T) {
	all := spots(bySite(crowd(80)))
	if len(all) != 40 {
		t.Fatalf("%d spots", len(all))
	}
	named := 0
	for i, a := range all {
		if a.X < 0 || a.X > 720 || a.Y < mapTop || a.Y > mapTop+mapHeight {
			t.Errorf("%s is off the map", a.Name)
		}
		if a.Anchor == "" {
			continue
		}
		named++
		for _, b := range all[:i] {
			if b.Anchor == a.Anchor && max(a.LabelX-b.LabelX, b.LabelX-a.LabelX) < 20 && max(a.LabelY-b.LabelY, b.LabelY-a.LabelY) < 12 {
				t.Errorf("%s and %s overlap", a.Name, b.Name)
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d of 40 have a name", named)
	}
}

// BenchmarkPages is a pool of 1,000 members with two addresses each; a page is
// to take less than 50 ms.
func BenchmarkPages(b *testing.B) {
	v := crowd(1000)
	o := Options{History: past(b, v.Members[0].Address, time.Now())}
	h := Handler(func() View { return v }, o)
	for _, path := range []string{"/", "/members", "/members?sort=offset&down=1", "/members/ntp0?span=1d", "/node", "/api/v1/members"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
				r.Host = "localhost"
				if h.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Code)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/page")
		})
	}
}

func TestNodePageTellsOfItself(t *testing.T) {
	v := pool()
	v.Monitor.Truth = monitor.Truth{Witnesses: 5, Agree: 4, Low: -time.Millisecond, High: 2 * time.Millisecond, Falsetickers: []string{"ntp3.fra"}, Clocks: 1, Warnings: []string{"5 members, 1 clock"}}
	v.Reloads = []Reload{{Generation: 7, Accepted: true, Changes: []string{"member ntp9.fra: new"}}, {Generation: 6, Why: "pool.yaml:4:1: no such key"}}
	v.Overrides = []zones.Override{{Member: "ntp1.fra", State: zones.Drain, Reason: hostile, By: "root (uid 0)"}}
	v.Registry.Warnings = []string{"pool.yaml:9:1: one name server"}
	v.Vantage, v.Listen, v.Queries = "fra-1", []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, map[string]uint64{"answered": 4711}
	text := page(t, v, "/node")
	for _, want := range []string{
		"4 of 5 agree", "−1 ms to &#43;2 ms", `<a href="/members/ntp3.fra">`, "5 members, 1 clock", "member ntp9.fra: new", "<pre>pool.yaml:4:1: no such key</pre>",
		`class="verdict drain"`, "&lt;script&gt;alert", "by root (uid 0)", "one name server", "fra-1", "192.0.2.53:53", "4711",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// The page of names tells somebody's answer also where no site has a network.
func TestZonePageWithoutNetworks(t *testing.T) {
	asked := ""
	pageOf(t, pool(), Options{Explain: func(client, name string) (any, error) { asked = client + " " + name; return nil, nil }}, "/zone?name=europe")
	if asked != "0.0.0.0/0 europe" {
		t.Errorf("asked %q", asked)
	}
}
