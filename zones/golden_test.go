package zones

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/timepool/timepool/zones/strict"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// TestGolden holds each archive of testdata/load, a registry's files, against
// its last file: the faults or, for a registry that loads, the warnings.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			last := len(a.Files) - 1
			for _, f := range a.Files[:last] {
				write(t, filepath.Join(dir, f.Name), f.Data)
			}
			kind, got := verdict(t, filepath.Join(dir, "pool.yaml"))
			if *update {
				a.Files[last] = txtar.File{Name: kind, Data: []byte(got)}
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := a.Files[last]; kind != want.Name || got != string(bytes.TrimLeft(want.Data, "\n")) {
				t.Errorf("%s:\n%s\nwant %s:\n%s", kind, got, want.Name, want.Data)
			}
		})
	}
}

// verdict is what Load says, one line each.
func verdict(t *testing.T, path string) (kind, lines string) {
	t.Helper()
	r, err := Load(path)
	kind = "warnings"
	var said []string
	if faults, ok := err.(strict.Faults); ok {
		kind, said = "faults", strings.Split(faults.Error(), "\n")
	} else if err != nil {
		t.Fatalf("Load: %v, want strict.Faults", err)
	} else {
		said = r.Warnings
	}
	for _, s := range said {
		lines += s + "\n"
	}
	return kind, lines
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
