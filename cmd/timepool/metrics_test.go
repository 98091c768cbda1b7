package main

import (
	"io"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scraped is what a node's /metrics says.
func scraped(t *testing.T, n *node) string {
	t.Helper()
	w := httptest.NewRecorder()
	n.metricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return w.Body.String()
}

// measuring is a node with a member that nobody answers for, in two pools.
func measuring(t *testing.T) *node {
	t.Helper()
	dir := t.TempDir()
	c := defaultConfig()
	c.Data, c.Socket, c.HTTP.Off = dir, filepath.Join(dir, "s"), true
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), `
zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}
sites: {fra: {country: de, networks: [127.0.0.0/8]}}
members: [{name: a, addresses: [10.16.0.1, "fd00::1"], site: fra, tags: [dmz]}, {name: b, addresses: [10.16.0.2], site: fra, state: drain}]
pools: {dmz: {tags: [dmz]}}
`)
	return running(t, c, true)
}

// What is scraped is what stands in force, every metric of the catalogue is
// there, and no client.
func TestMetrics(t *testing.T) {
	n := measuring(t)
	for range 3 {
		lookup(c4(n), "pool.example")
	}
	text := scraped(t, n)
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
	measured := map[string]bool{"member_offset_seconds": true, "member_round_trip_seconds": true, "member_last_check_timestamp_seconds": true}
	for name := range catalogue {
		if !strings.Contains(text, "\ntimepool_"+name) && !measured[name] { // nothing is measured here
			t.Errorf("no timepool_%s", name)
		}
	}
	if strings.Contains(text, "127.0.0.1") {
		t.Error("a client's address is in the metrics")
	}
}

func c4(n *node) string { return n.dns.Addrs()[0].String() }

// Prometheus's own tool has no fault with any of it.
func TestPromtoolChecksMetrics(t *testing.T) {
	text := scraped(t, measuring(t))
	// Of a member that is measured, as this node has none.
	for name, words := range catalogue {
		if strings.HasPrefix(name, "member_") && !strings.Contains(text, "\ntimepool_"+name) {
			text += "# HELP timepool_" + name + " " + words[0] + "\n# TYPE timepool_" + name + " gauge\ntimepool_" + name + "{member=\"a\"} 1\n"
		}
	}
	promtool(t, text, "check", "metrics")
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
