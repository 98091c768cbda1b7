package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/timepool/timepool"

// arrows are the rooms and which other rooms each may import. A folder below a
// room belongs to it, unless it is a room itself: zones/limit and zones/precedence
// know nothing of pools, and so even the responder may have them.
var arrows = map[string][]string{
	"zones":             {},
	"zones/limit":       {},
	"zones/precedence":  {},
	"monitor":           {"zones"},
	"monitor/responder": {"zones/limit", "zones/precedence"},
	"monitor/web":       {"zones", "monitor"},
	"resolver":          {"zones", "zones/limit", "zones/precedence"},
	"cmd/timepool":      {"zones", "zones/limit", "monitor", "monitor/responder", "monitor/web", "resolver"},
}

// fixed are the modules that one room alone may import, so that replacing one
// touches one folder. The responder's tests may ask it with the same NTP client
// that the prober uses.
var fixed = map[string][]string{
	"github.com/miekg/dns":                 {"resolver"},
	"github.com/beevik/ntp":                {"monitor", "monitor/responder_test"},
	"github.com/oschwald/geoip2-golang":    {"zones"},
	"github.com/oschwald/maxminddb-golang": {"zones"},
	"gopkg.in/yaml.v3":                     {"zones"},
	"go.etcd.io/bbolt":                     {"monitor"},
	"github.com/spf13/cobra":               {"cmd/timepool"},
}

func TestArrows(t *testing.T) {
	faults, files := crossings(t, os.DirFS("../.."))
	for _, f := range faults {
		t.Error(f)
	}
	if files < 20 { // the rooms' own files: an empty walk must not pass
		t.Errorf("only %d Go files were read", files)
	}
}

// TestArrowsAreSeen shows that the check above can fail.
func TestArrowsAreSeen(t *testing.T) {
	src := func(imports ...string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("package p\nimport (\n\"" + strings.Join(imports, "\"\n\"") + "\"\n)\n")}
	}
	faults, _ := crossings(t, fstest.MapFS{
		"zones/a.go":                  src(module + "/monitor"),
		"monitor/a_test.go":           src(module + "/resolver"),
		"monitor/responder/a.go":      src(module+"/zones", "github.com/beevik/ntp"),
		"monitor/responder/a_test.go": src("github.com/beevik/ntp"),
		"monitor/web/a.go":            src(module+"/monitor", module+"/zones", "net/http"),
		"resolver/a.go":               src("github.com/miekg/dns", module+"/zones"),
		"resolver/a_windows.go":       src("gopkg.in/yaml.v3"),
		"zones/strict/a.go":           src("gopkg.in/yaml.v3", module+"/zones"),
		"zones/b.go":                  src("github.com/oschwald/geoip2-golang/v2", module+"/zones/strict"),
		"cmd/timepool/a.go":           src(module+"/resolver", module+"/zones/strict", "github.com/miekg/dns"),
		"tools/a.go":                  src("fmt"),
		"resolver/testdata/a.go":      src(module + "/monitor"),
	})
	want := []string{
		"cmd/timepool/a.go: github.com/miekg/dns belongs to resolver",
		"monitor/a_test.go: monitor must not import resolver",
		"monitor/responder/a.go: github.com/beevik/ntp belongs to monitor",
		"monitor/responder/a.go: monitor/responder must not import zones",
		"resolver/a_windows.go: gopkg.in/yaml.v3 belongs to zones",
		"tools/a.go: is in no room",
		"zones/a.go: zones must not import monitor",
	}
	slices.Sort(faults)
	if !slices.Equal(faults, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

// crossings reads every Go file, whatever system it is for, and returns what
// breaks the rules above, and how many files it read.
func crossings(t *testing.T, tree fs.FS) (faults []string, files int) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		files++
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := room(path.Dir(name))
		if from == "" {
			faults = append(faults, name+": is in no room")
			return nil
		}
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if fault := crossing(from, strings.HasSuffix(name, "_test.go"), imported); fault != "" {
				faults = append(faults, name+": "+fault)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return faults, files
}

// crossing says what is wrong with a room's importing that path, "" for nothing.
func crossing(from string, test bool, imported string) string {
	if folder, ours := strings.CutPrefix(imported, module+"/"); ours {
		if to := room(folder); to != from && !slices.Contains(arrows[from], to) {
			return fmt.Sprintf("%s must not import %s", from, folder)
		}
		return ""
	}
	for name, rooms := range fixed {
		if imported != name && !strings.HasPrefix(imported, name+"/") || slices.Contains(rooms, from) {
			continue
		}
		if !test || !slices.Contains(rooms, from+"_test") {
			return fmt.Sprintf("%s belongs to %s", name, rooms[0])
		}
	}
	return ""
}

// room is the room that a folder belongs to, "" for none.
func room(folder string) string {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, ok := arrows[folder]; ok {
			return folder
		}
	}
	return ""
}
