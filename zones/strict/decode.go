package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Document is one file that was read: what is wrong with it, and where in it
// each value stands.
type Document struct {
	File string

	root             *yaml.Node // nil when it is not YAML or empty
	faults, warnings said
	broken           map[string]bool // paths at or under which a fault lies
}

// Decode reads content into the struct that into points to. Keys that are
// missing or wrong leave their default, or zero. file is the name that faults
// carry. Decode never panics on content; ask Err for what is wrong with it.
func Decode(file string, content []byte, into any) *Document {
	d := &Document{File: file, broken: make(map[string]bool)}
	v := reflect.ValueOf(into).Elem()
	p := planFor(v.Type(), "")
	v.Set(p.blank)
	if d.root = d.parse(content); d.root != nil {
		d.value(d.root, p, v, nil)
	}
	return d
}

// Err is nil or the Faults of the document, by position.
func (d *Document) Err() error {
	if fs := d.Faults(); fs != nil {
		return fs
	}
	return nil
}

// Faults are what Decode found and Fault added, by position; at most a
// hundred and one, the last one saying how many more there are.
func (d *Document) Faults() Faults { return d.faults.sorted(d.File, "faults") }

// Warnings are what Warn was told, in the same way.
func (d *Document) Warnings() Faults { return d.warnings.sorted(d.File, "warnings") }

// parse returns the root of the only document in content.
func (d *Document) parse(content []byte) *yaml.Node {
	if i := bytes.IndexFunc(content, unreadable); i >= 0 {
		what := "is not UTF-8"
		if c := content[i]; c < utf8.RuneSelf {
			what = fmt.Sprintf("has the control character %U", c)
		}
		d.add(1+bytes.Count(content[:i], []byte("\n")), 1, nil, what)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	root, err := next(dec)
	switch {
	case err != nil:
		d.syntax(content, err)
		return nil
	case root == nil || root.Tag == "!!null":
		d.add(1, 1, nil, "is empty")
		return nil
	}
	if second, err := next(dec); err != nil {
		d.syntax(content, err)
	} else if second != nil {
		d.fault(second, nil, "a second document (after ---) is not taken: one file, one document")
	}
	return root
}

// unreadable reports what has no place in YAML. U+FFFD is what a broken
// conversion leaves, and what bytes that are not UTF-8 read as.
func unreadable(c rune) bool {
	return c == utf8.RuneError || c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f
}

// next returns the root of the next document, nil after the last.
func next(dec *yaml.Decoder) (root *yaml.Node, err error) {
	defer func() {
		if recover() != nil { // yaml.v3 has been known to
			root, err = nil, errors.New("cannot be read")
		}
	}()
	var n yaml.Node
	if err := dec.Decode(&n); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return n.Content[0], nil
}

var (
	errorLine = regexp.MustCompile(`^line ([0-9]+): `)
	bareIPv6  = regexp.MustCompile(`(?:^|[\s\[{,])([0-9A-Fa-f:]*::|::[0-9A-Fa-f:.]*)(?:[\s\]},]|$)`)
	bareTab   = regexp.MustCompile(`^ *\t`)
)

// syntax reports where the parser gave up. It names a line at best, and not
// always the right one, so the usual mistakes are looked for around it.
func (d *Document) syntax(content []byte, err error) {
	what, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := errorLine.FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = what[len(m[0]):]
		if strings.HasPrefix(what, "did not find expected") { // counted from 0 by the parser, from 1 by the scanner
			line++
		}
	}
	at := 0
	for s := range bytes.Lines(content) {
		at++
		if at < line-1 || at > line+1 {
			continue
		}
		s = bytes.TrimRight(s, "\r\n")
		if m := bareIPv6.FindSubmatchIndex(s); m != nil {
			d.add(at, 1+utf8.RuneCount(s[:m[2]]), nil, "YAML takes the colon for a key: quote it: "+Quote(string(s[m[2]:m[3]])))
			return
		}
		if bareTab.Match(s) {
			d.add(at, 1, nil, "is indented with a tab: use spaces")
			return
		}
	}
	d.add(min(line, at), 1, nil, "is not YAML: "+what)
}

func (d *Document) add(line, col int, at path, what string) {
	if !d.faults.add(d.File, line, col, at, what) {
		return
	}
	for i := range len(at) + 1 {
		d.broken[at[:i].String()] = true
	}
}

func (d *Document) fault(n *yaml.Node, at path, what string) { d.add(n.Line, n.Column, at, what) }

// plain refuses what makes a file mean something else than it seems to.
func (d *Document) plain(n *yaml.Node, at path) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(n, at, "aliases (*"+n.Value+") are not taken: write the value out")
	case n.Anchor != "":
		d.fault(n, at, "anchors (&"+n.Anchor+") are not taken: write the value out where it is wanted")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n, at, "tags ("+Quote(n.Tag)+") are not taken")
	default:
		return true
	}
	return false
}

// value decodes n, which stands at at, into v.
func (d *Document) value(n *yaml.Node, p *plan, v reflect.Value, at path) {
	if !d.plain(n, at) {
		return
	}
	if p.text != nil && n.Kind == yaml.ScalarNode {
		p = p.text
	}
	switch {
	case p.node != n.Kind:
		d.fault(n, at, p.mismatch(n))
	case p.fill != nil:
		p.fill(d, n, v, at)
	default:
		if what := p.scalar(n, v); what != "" {
			d.fault(n, at, what)
		}
	}
}

// count holds the length of a list or table against its bounds.
func (d *Document) count(n *yaml.Node, at path, p *plan, have int) {
	if have == 0 && p.min == "1" {
		d.fault(n, at, "is empty: "+p.one+" belongs here")
	} else if !p.within(float64(have)) {
		d.fault(n, at, "length "+p.outside(strconv.Itoa(have)))
	}
}

// entries calls each for every key of a mapping that is fit to be one, and
// returns the lines they were first found on.
func (d *Document) entries(n *yaml.Node, at path, each func(key, value *yaml.Node)) (first map[string]int) {
	first = make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !d.plain(key, append(at, key.Value)):
		case key.Kind != yaml.ScalarNode:
			d.fault(key, at, "lists and mappings are not taken for keys")
		case key.Tag == "!!merge":
			d.fault(key, at, "merge keys (<<) are not taken: write the keys out")
		case first[key.Value] > 0:
			d.fault(key, at, fmt.Sprintf("duplicate key %s (first at line %d)", Quote(key.Value), first[key.Value]))
		default:
			first[key.Value] = key.Line
			each(key, n.Content[i+1])
		}
	}
	return first
}
