package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestExamplesAreValid has the binary check every registry and node file that
// is shipped, so that no example teaches a fault.
func TestExamplesAreValid(t *testing.T) {
	bin := builtTimepool(t)
	for node, registry := range map[string]string{
		"../../deploy/timepool.yaml":           "../../deploy/pool.yaml",
		"../../deploy/container/timepool.yaml": "../../deploy/container/pool.yaml",
	} {
		checkExample(t, bin, registry)
		text, err := os.ReadFile(node)
		if err != nil {
			t.Fatal(err)
		}
		full, err := filepath.Abs(registry)
		if err != nil {
			t.Fatal(err)
		}
		// The example names the installed place; here the registry is beside it.
		moved := regexp.MustCompile(`(?m)^registry:.*\n`).ReplaceAllString(string(text), "")
		file := filepath.Join(t.TempDir(), "timepool.yaml")
		if err := os.WriteFile(file, []byte(moved+"registry: '"+filepath.ToSlash(full)+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		checkExample(t, bin, "--config", file)
	}
}

func checkExample(t *testing.T, bin string, args ...string) {
	t.Helper()
	if out, err := exec.Command(bin, append([]string{"check"}, args...)...).CombinedOutput(); err != nil {
		t.Errorf("timepool check %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestExamplesAreTheManual holds that the two example files mention every key
// that their schemas know, and that the shipped schemas are those printed.
func TestExamplesAreTheManual(t *testing.T) {
	bin := builtTimepool(t)
	for schema, file := range map[string]string{"pool": "../../deploy/pool.yaml", "node": "../../deploy/timepool.yaml"} {
		out, err := exec.Command(bin, "schema", schema).Output()
		if err != nil {
			t.Fatalf("timepool schema %s: %v", schema, err)
		}
		if shipped, err := os.ReadFile("../../deploy/schema/" + schema + ".json"); err != nil || !bytes.Equal(shipped, out) {
			t.Errorf("deploy/schema/%s.json is not what `timepool schema %s` prints (%v)", schema, schema, err)
		}
		var tree any
		if err := json.Unmarshal(out, &tree); err != nil {
			t.Fatal(err)
		}
		keys := map[string]bool{}
		schemaKeys(tree, keys)
		if len(keys) < 10 {
			t.Errorf("schema %s knows only %d keys", schema, len(keys))
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			if !regexp.MustCompile(`(?m)(^|[\s{,])` + key + `:`).Match(text) {
				t.Errorf("%s does not mention %s", file, key)
			}
		}
	}
}

// schemaKeys collects the names of all properties in a JSON Schema.
func schemaKeys(tree any, keys map[string]bool) {
	switch node := tree.(type) {
	case []any:
		for _, item := range node {
			schemaKeys(item, keys)
		}
	case map[string]any:
		for name, below := range node {
			if properties, ok := below.(map[string]any); ok && name == "properties" {
				for key := range properties {
					keys[key] = true
				}
			}
			schemaKeys(below, keys)
		}
	}
}

// TestBenchServe has deploy/bench/serve turn a small member list into a
// registry and a node file that the binary takes.
func TestBenchServe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("deploy/bench/serve is a bash script")
	}
	bin, data := builtTimepool(t), t.TempDir()
	csv := "ip,country,continent,lat,lon,weight\n198.18.0.1,no,europe,62.1,10.2,250\n2001:db8:1::123,jp,asia,36,138,1000\n198.18.0.2,no,europe,60,9,100\n"
	if err := os.WriteFile(filepath.Join(data, "members.csv"), []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	// Instead of serving, say how it would be served.
	echo, err := exec.LookPath("echo")
	if err != nil {
		t.Fatal(err)
	}
	serve := exec.Command("../../deploy/bench/serve")
	serve.Env = append(os.Environ(), "BENCH_DATA="+data, "BENCH_ADDR=127.0.0.1:5301", "TIMEPOOL="+echo, "TMPDIR="+t.TempDir())
	out, err := serve.CombinedOutput()
	if err != nil {
		t.Fatalf("deploy/bench/serve: %v\n%s", err, out)
	}
	config, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "serve --static --config ")
	if !ok {
		t.Fatalf("deploy/bench/serve would run timepool %s", out)
	}
	checkExample(t, bin, "--config", config)
	pool, err := os.ReadFile(filepath.Join(filepath.Dir(config), "pool.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`bench-no: {continent: europe, country: "no", at: [61.050, 9.600]}`,
		`{name: m0002, addresses: ["2001:db8:1::123"], site: bench-jp, netspeed: 1000}`,
	} {
		if !strings.Contains(string(pool), want) {
			t.Errorf("the registry lacks %s in\n%s", want, pool)
		}
	}
}
