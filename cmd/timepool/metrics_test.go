package main

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// What is scraped is what stands in force, and Prometheus's own lint has no
// fault with it.
func TestMetrics(t *testing.T) {
	registry, err := zones.Load(writeFile(t, t.TempDir()+"/pool.yaml", `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}
sites: {fra: {country: de}}
members: [{name: a, addresses: [10.16.0.1, "fd00::1"], site: fra, tags: [dmz]}]
pools: {dmz: {tags: [dmz]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{dns: resolver.NewServer(resolver.Config{})}
	g := &generation{number: 7, registry: registry, scores: zones.Scores{netip.MustParseAddr("10.16.0.1"): {Standing: zones.Resort, Value: 3.5}}}
	if g.snapshot, err = resolver.Build(registry, zones.NewAtlas(registry, nil), g.scores, resolver.Options{Serial: 1}); err != nil {
		t.Fatal(err)
	}
	n.inForce.Store(g)
	w := httptest.NewRecorder()
	n.metricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, line := range []string{
		"timepool_config_generation 7\n",
		`timepool_pool_last_resort{family="ipv4",pool="dmz"} 1`,
		`timepool_pool_last_resort{family="ipv6",pool=""} 0`,
		`timepool_pool_empty{family="ipv6",pool=""} 1`,
		`timepool_pool_members_in{family="ipv4"} 1`,
		`timepool_member_score{address="10.16.0.1",member="a"} 3.5`,
		`timepool_dns_queries_total{transport="udp",verdict="answered"} 0`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if strings.Contains(text, "127.0.0.1") {
		t.Error("a client's address is in the metrics")
	}
}
