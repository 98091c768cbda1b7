package zones

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/timepool/timepool/zones/strict"
)

// maxBytes bounds the files of one registry together.
const maxBytes = 64 << 20

// fragment is the form of members.d/*.yaml.
type fragment struct {
	Members []Member `yaml:"members,required" doc:"NTP servers beside those of pool.yaml."`
}

// source is one file, read once.
type source struct {
	name    string // as faults name it: relative to pool.yaml's folder
	content []byte
}

// Load reads pool.yaml (whatever its name) and the members.d/*.yaml beside it,
// in the order of their names, dot files left out. All files together may have
// 64 MiB. The error is strict.Faults, every fault of every file at once, unless
// a file could not be read at all. Load opens each file once, so that Digest
// and content are of the same bytes.
func Load(path string) (*Registry, error) {
	files, strays, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	r, err := parse(files)
	if err != nil {
		return nil, err
	}
	r.Warnings = append(r.Warnings, strays...)
	return r, nil
}

// Schema is the JSON Schema (draft-07) of pool.yaml.
func Schema() []byte { return strict.Schema("timepool registry", &Registry{}) }

// MembersSchema is the JSON Schema (draft-07) of members.d/*.yaml.
func MembersSchema() []byte { return strict.Schema("timepool members", &fragment{}) }

// read reads the files of a registry. strays warn of files that look as if
// they were meant to be read.
func read(path string) (files []source, strays []string, err error) {
	names := []string{filepath.Base(path)}
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), "members.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, e := range entries {
		name := "members.d/" + e.Name()
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case strings.HasSuffix(name, ".yaml"):
			names = append(names, name)
		case strings.HasSuffix(name, ".yml"):
			strays = append(strays, name+": is not read: only *.yaml is")
		}
	}
	left := int64(maxBytes)
	for _, name := range names {
		path := filepath.Join(filepath.Dir(path), name)
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, nil, err
		case !st.Mode().IsRegular():
			return nil, nil, fmt.Errorf("%s is not a file", path)
		case st.Size() > left:
			return nil, nil, fmt.Errorf("%s: a registry may have %d MiB", path, maxBytes>>20)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		left -= int64(len(content))
		files = append(files, source{name, content})
	}
	return files, strays, nil
}

// parse makes a Registry of the files, pool.yaml first.
func parse(files []source) (*Registry, error) {
	r := &Registry{}
	c := checker{r: r}
	digest := sha256.New()
	for i, f := range files {
		var part fragment
		if i == 0 {
			c.docs = append(c.docs, strict.Decode(f.name, f.content, r))
			part.Members, r.Members = r.Members, nil
		} else {
			c.docs = append(c.docs, strict.Decode(f.name, f.content, &part))
		}
		for j := range part.Members {
			part.Members[j].Line = c.docs[i].Line("members", j)
		}
		c.starts = append(c.starts, len(r.Members))
		r.Members = append(r.Members, part.Members...)
		r.Files = append(r.Files, f.name)
		for _, b := range [][]byte{[]byte(f.name), f.content} {
			digest.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
			digest.Write(b)
		}
	}
	digest.Sum(r.Digest[:0])
	if len(r.Members) == 0 && !slices.ContainsFunc(c.docs, func(d *strict.Document) bool { return d.Broken() }) {
		c.docs[0].Fault("the registry has no members", "members")
	}
	if r.Zone.Name != "" { // else most of what could be said follows from that
		c.check()
	}
	var faults strict.Faults
	for _, d := range c.docs {
		faults = append(faults, d.Faults()...)
		for _, w := range d.Warnings() {
			r.Warnings = append(r.Warnings, w.String())
		}
	}
	if faults != nil {
		return nil, faults
	}
	r.complete()
	return r, nil
}

// complete fills in what follows from the rest, and sorts.
func (r *Registry) complete() {
	z := &r.Zone
	if z.Contact == "" {
		z.Contact = "hostmaster@" + z.Name
	}
	z.ECS.On = z.ECS.On || len(z.ECS.Trusted) > 0
	for i := range r.Sites {
		s := &r.Sites[i]
		p := s.place()
		s.Country, s.Continent, s.At = p.Country, p.Continent, p.At
	}
	slices.SortFunc(r.Sites, func(a, b Site) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Pools, func(a, b Pool) int { return strings.Compare(a.Name, b.Name) })
	r.Pools = slices.Insert(r.Pools, 0, Pool{})
	for i := range r.Pools {
		p := &r.Pools[i]
		p.TTL, p.Answers, p.Floor = cmp.Or(p.TTL, z.TTL), cmp.Or(p.Answers, z.Answers), cmp.Or(p.Floor, z.Floor)
		p.FloorNetspeed, p.MinSites = cmp.Or(p.FloorNetspeed, z.FloorNetspeed), cmp.Or(p.MinSites, z.MinSites)
	}
}
