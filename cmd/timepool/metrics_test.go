package main

import (
	"context"
	"io"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

// scrapedText is what a node's /metrics says.
func scrapedText(t *testing.T, n *node) string {
	t.Helper()
	w := httptest.NewRecorder()
	n.metricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return w.Body.String()
}

// measuring is a node with a member and one that is drained, in two pools; they
// are measured, and the node was asked, unless it is static.
func measuring(t *testing.T, static bool) *node {
	t.Helper()
	return measuringPool(t, static, `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}
sites: {fra: {country: de, networks: [127.0.0.0/8]}}
members: [{name: a, addresses: [10.16.0.1, "fd00::1"], site: fra, tags: [dmz]}, {name: b, addresses: [10.16.0.2], site: fra, state: drain}]
pools: {dmz: {tags: [dmz]}}
`)
}

// measuringPool is such a node of a pool of which two addresses are in.
func measuringPool(t *testing.T, static bool, pool string) *node {
	t.Helper()
	dir := t.TempDir()
	c := defaultConfig()
	c.Data, c.Socket, c.HTTP.Off = dir, filepath.Join(dir, "s"), true
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), pool)
	if static {
		return running(t, c, true)
	}
	registry, err := zones.Load(c.Registry)
	if err != nil {
		t.Fatal(err)
	}
	members, err := openDemoMembers(registry)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- members.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	c.Probe.Map, c.Probe.Samples, c.own = members.probeMap(), 1, func(netip.Addr) bool { return false }
	n := running(t, c, false)
	for len(lookup(n.dns.Addrs()[0].String(), "pool.example")) != 2 { // let in at once, as the pool boots
		time.Sleep(10 * time.Millisecond)
	}
	return n
}

// catalogue is every metric of a node without "timepool_", and its labels.
func catalogue(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(scrapedText(t, measuring(t, false))) {
		if m := regexp.MustCompile(`^timepool_([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? `).FindStringSubmatch(line); m != nil {
			all[m[1]] = nil
			for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
				all[m[1]] = append(all[m[1]], label[1])
			}
		}
	}
	return all
}

// What is scraped is what stands in force, and no client.
func TestMetrics(t *testing.T) {
	n := measuring(t, true)
	for range 3 {
		lookup(n.dns.Addrs()[0].String(), "pool.example")
	}
	text := scrapedText(t, n)
	for _, line := range []string{
		"timepool_ready 1\n",
		"timepool_config_generation 1\n",
		"timepool_config_last_reload_successful 1\n",
		`timepool_pool_last_resort{family="ipv4",pool="dmz"} 0`,
		`timepool_pool_empty{family="ipv6",pool=""} 0`,
		`timepool_pool_members_in{family="ipv4"} 1`,
		`timepool_member_score{address="10.16.0.1",member="a",site="fra"} 20`,
		`timepool_member_in{address="10.16.0.2",member="b",site="fra"} 0`,
		`timepool_member_wanted{address="10.16.0.2",member="b",site="fra"} 0`,
		`timepool_member_answers_total{address="fd00::1",member="a",site="fra"} 3`,
		`timepool_dns_queries_total{transport="udp",verdict="answered"} 6`,
		`timepool_dns_client_queries_total{by="sender",found="registry",site="fra"} 6`,
		`timepool_dns_duration_seconds_bucket{transport="udp",le="+Inf"} `,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
	if strings.Contains(text, "127.0.0.1") {
		t.Error("a client's address is in the metrics")
	}
}

// Prometheus's own tool has no fault with any of it.
func TestPromtoolChecksMetrics(t *testing.T) {
	promtool(t, scrapedText(t, measuring(t, false)), "check", "metrics")
}

// promtool runs it with that on its standard input, and wants it content.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool (Debian: prometheus)")
	}
	c := exec.Command(path, args...)
	c.Stdin = io.NopCloser(strings.NewReader(input))
	if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), "FAILED") {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
