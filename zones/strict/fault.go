package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing wrong with a file.
type Fault struct {
	File      string
	Line, Col int    // from 1; 0 when the fault is the whole file's
	Path      string // "members[3].addresses[0]"; "" for the whole file
	What      string // "duplicate address 10.1.0.5 (first at pool.yaml:12)"
}

// String is "file:line:col: path: what".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	b.WriteString(": " + f.What)
	return b.String()
}

// Faults is an error that is never empty.
type Faults []Fault

// Error has one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func (fs Faults) sort() {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// step is one element of a path; paths grow downwards on the stack and are
// only written out for a fault.
type step struct {
	up   *step
	name string
	item int // -1: name counts
}

func (s *step) String() string {
	if s == nil {
		return ""
	}
	if s.item >= 0 {
		return s.up.String() + "[" + strconv.Itoa(s.item) + "]"
	}
	if !plainKey(s.name) {
		return s.up.String() + "[" + Quote(s.name) + "]"
	}
	if s.up == nil {
		return s.name
	}
	return s.up.String() + "." + s.name
}

func plainKey(key string) bool {
	for _, c := range key {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return key != "" && len(key) <= 63
}

// Quote shows what stands in the file, however long or odd, on one line.
func Quote(s string) string {
	if r := []rune(s); len(r) > 63 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}

// DidYouMean is ` (did you mean "x"?)` for the candidate x that word most likely stands for,
// or "" when none is near.
func DidYouMean(word string, candidates []string) string {
	best, at := 1+len(word)/3, ""
	if len(word) > 63 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < best || d == best && at == "" && d < len(c) {
			best, at = d, c
		}
	}
	if at == "" || at == word {
		return ""
	}
	return " (did you mean " + Quote(at) + "?)"
}

// distance counts inserted, deleted, replaced and swapped bytes between a and b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			default:
				d[i][j] = 1 + min(d[i-1][j], d[i][j-1], d[i-1][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(a)][len(b)]
}
