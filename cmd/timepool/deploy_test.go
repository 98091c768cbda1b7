package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Dashboard and alerts ask for metrics that exist, by labels that they have.
func TestDashboardsAskForWhatThereIs(t *testing.T) {
	known := catalogue(t)
	for name, least := range map[string]int{"grafana/timepool.json": 15, "prometheus/rules.yaml": 10, "prometheus/rules_test.yaml": 10} {
		text := deployed(t, name)
		seen := map[string]bool{}
		for _, found := range regexp.MustCompile(`timepool_([a-z_]+)(\{[^}]*\})?`).FindAllStringSubmatch(text, -1) {
			metric := found[1]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(metric, suffix); ok && base == "dns_duration_seconds" {
					metric = base
				}
			}
			labels, ok := known[metric]
			if !ok {
				t.Errorf("%s: there is no timepool_%s", name, found[1])
				continue
			}
			seen[metric] = true
			for _, label := range regexp.MustCompile(`(\w+)=~?\\?"`).FindAllStringSubmatch(found[2], -1) {
				if l := " " + label[1] + " "; !strings.Contains(" instance le "+strings.Join(labels, " ")+" ", l) {
					t.Errorf("%s: timepool_%s has no label %s", name, found[1], label[1])
				}
			}
		}
		if len(seen) < least {
			t.Errorf("%s: only %d metrics were found in it", name, len(seen))
		}
	}
	var dashboard struct{ Panels []struct{ Title string } }
	if err := json.Unmarshal([]byte(deployed(t, "grafana/timepool.json")), &dashboard); err != nil || len(dashboard.Panels) < 10 {
		t.Errorf("%d panels, %v", len(dashboard.Panels), err)
	}
}

// Each alert has a section in the runbook, which it names, and a test.
func TestAlertsHaveRunbooks(t *testing.T) {
	rules, tests, book := deployed(t, "prometheus/rules.yaml"), deployed(t, "prometheus/rules_test.yaml"), deployed(t, "runbook.md")
	alerts := regexp.MustCompile(`- alert: (\w+)\n(?:.*\n)*?\s+runbook: deploy/runbook.md#(\w+)\n`).FindAllStringSubmatch(rules, -1)
	if n := strings.Count(rules, "- alert:"); n != len(alerts) || n != strings.Count(book, "\n## ") || n < 10 {
		t.Errorf("%d alerts, %d of them with a runbook, %d sections", n, len(alerts), strings.Count(book, "\n## "))
	}
	for _, a := range alerts {
		if a[2] != strings.ToLower(a[1]) || !strings.Contains(book, "\n## "+a[1]+"\n") || !strings.Contains(tests, "- alertname: "+a[1]+"\n") {
			t.Errorf("%s has no section, no link to it, or no test", a[1])
		}
	}
}

func TestPromtoolTestsRules(t *testing.T) {
	promtool(t, "", "check", "rules", "../../deploy/prometheus/rules.yaml")
	promtool(t, "", "test", "rules", "../../deploy/prometheus/rules_test.yaml")
}

// What faces NTP clients, and what reads the clock for it, is as confined as
// systemd can tell: an exposure of 1.5 at most.
func TestResponderUnitsAreConfined(t *testing.T) {
	units, err := filepath.Glob("../../deploy/systemd/timepool-respond*.service")
	if err != nil || len(units) != 2 {
		t.Fatal(units, err)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze")
	}
	for _, unit := range units {
		out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", unit).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Overall exposure level") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
