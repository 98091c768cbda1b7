package strict

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Fault adds what was found wrong, after decoding, with the value that at leads to,
// each element a key or an index: Fault("duplicate", "members", 3, "addresses", 0).
// A list or a mapping stands where its key does. What is not in the file stands
// where the last thing on the way to it does.
func (d *Document) Fault(what string, at ...any) {
	line, col, _ := d.position(at)
	d.add(line, col, at, what)
}

// Warn adds what is no fault: it makes no Err.
func (d *Document) Warn(what string, at ...any) {
	line, col, _ := d.position(at)
	d.warnings.add(d.File, line, col, at, what)
}

// Line is "file:line" of the value that at leads to.
func (d *Document) Line(at ...any) string {
	line, _, _ := d.position(at)
	return fmt.Sprintf("%s:%d", d.File, line)
}

// Has reports whether the value that at leads to is written.
func (d *Document) Has(at ...any) bool {
	_, _, found := d.position(at)
	return found
}

// Broken reports whether a fault lies at a value or under it, so that one mistake
// is not told twice.
func (d *Document) Broken(at ...any) bool { return d.broken[path(at).String()] }

func (d *Document) position(at path) (line, col int, found bool) {
	n := d.root
	if n == nil {
		return 0, 0, false
	}
	line, col = n.Line, n.Column
	for _, p := range at {
		var key, value *yaml.Node
		switch p := p.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content) && value == nil; i += 2 {
				if n.Content[i].Value == p {
					key, value = n.Content[i], n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && p < len(n.Content) {
				key, value = n.Content[p], n.Content[p]
			}
		}
		if value == nil {
			return line, col, false
		}
		if n = value; value.Kind == yaml.ScalarNode {
			key = value
		}
		line, col = key.Line, key.Column
	}
	return line, col, true
}
