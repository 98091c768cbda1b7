package main

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// BenchmarkZonePage is the page that tells who is under a name to clients of 40
// sites, of a pool of 1,000 members; it is to take less than 50 ms.
func BenchmarkZonePage(b *testing.B) {
	var text strings.Builder
	text.WriteString("zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}\nsites:\n")
	for i := range 40 {
		fmt.Fprintf(&text, "  s%02d: {country: de, at: [%d, %d], networks: [10.%d.0.0/16]}\n", i, i*3-60, i*8-160, i)
	}
	text.WriteString("members:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: ntp%d, addresses: [10.%d.1.%d, \"fd00::%x\"], site: s%02d}\n", i, i%40, i/40+1, i+1, i%40)
	}
	path := b.TempDir() + "/pool.yaml"
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	registry, err := zones.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	scores := zones.Scores{}
	for i := range registry.Members {
		for _, a := range registry.Members[i].Addresses {
			scores[a] = zones.Score{Value: 20, Standing: zones.In}
		}
	}
	snapshot, err := resolver.Build(registry, zones.NewAtlas(registry, nil), scores, resolver.Options{Serial: 1})
	if err != nil {
		b.Fatal(err)
	}
	h := web.Handler(func() web.View { return web.View{Registry: registry} }, web.Options{Explain: func(client, name string) (any, error) {
		p, err := netip.ParsePrefix(client)
		if err != nil {
			return nil, err
		}
		return snapshot.Explain(p.Addr(), p, name)
	}})
	for b.Loop() {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/zone", nil)
		r.Host = "localhost"
		if h.ServeHTTP(w, r); w.Code != 200 || strings.Count(w.Body.String(), "<th scope=\"row\">") != 5 || !strings.Contains(w.Body.String(), ">s39</a>") {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/page")
}
