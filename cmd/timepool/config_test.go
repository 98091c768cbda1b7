package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadConfigDefaults(t *testing.T) {
	c, err := loadConfig(writeFile(t, filepath.Join(t.TempDir(), "timepool.yaml"), "vantage: fra\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Vantage != "fra" || c.Data != "/var/lib/timepool" || c.Socket != "/run/timepool/timepool.sock" {
		t.Errorf("folders: %+v", c)
	}
	if p := c.Probe; p.Interval != 64*time.Second || p.Samples != 3 || p.Gap != 2*time.Second || p.Timeout != 3*time.Second || p.Port != 123 {
		t.Errorf("probe: %+v", p)
	}
	if len(c.DNS.Listen) != 2 || c.DNS.Listen[0].Port() != 53 || !c.HTTP.Listen.Addr().IsLoopback() || c.Log.Level != "info" {
		t.Errorf("listen: %+v %+v %+v", c.DNS, c.HTTP, c.Log)
	}
}

func TestLoadConfigRelativePaths(t *testing.T) {
	dir := t.TempDir()
	c, err := loadConfig(writeFile(t, filepath.Join(dir, "timepool.yaml"), "data: d\nregistry: r/pool.yaml\nsocket: /abs/s\ngeoip: g.mmdb\ndns: {cookie_secrets: c}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "d") || c.Registry != filepath.Join(dir, "r/pool.yaml") || c.Socket != "/abs/s" || c.GeoIP != filepath.Join(dir, "g.mmdb") ||
		c.DNS.CookieSecrets != filepath.Join(dir, "c") || c.DNS.Identity == "" || !strings.HasPrefix(c.DNS.Version, "timepool ") {
		t.Errorf("%+v", c)
	}
}

func TestLoadConfigFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "empty",
		"datta: x\n":             `did you mean "data"`,
		"dns: {listen: [53]}\n":  "dns.listen[0]",
		"dns: {listen: []}\n":    "dns.listen",
		"probe: {interval: 5}":   "probe.interval",
		"probe: {interval: 1ms}": "probe.interval",
		"probe: {source: [10.0.0.1, 10.0.0.2]}\n":     "at most one IPv4",
		"probe: {map: {10.0.0.1: 127.0.0.1}}\n":       "probe.map",
		"dns: {tls: {listen: [\"127.0.0.1:853\"]}}\n": "dns.tls: wants cert and key",
		"log: {level: loud}\n":                        "log.level",
	} {
		path := writeFile(t, filepath.Join(t.TempDir(), "timepool.yaml"), text)
		_, err := loadConfig(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// The example that operators copy is a node file that loads.
func TestExampleConfig(t *testing.T) {
	if _, err := loadConfig("../../deploy/timepool.yaml"); err != nil {
		t.Error(err)
	}
}
