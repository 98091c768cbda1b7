package strict

import (
	"cmp"
	"fmt"
	"regexp"
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
	where := f.File
	if f.Line > 0 {
		where += fmt.Sprintf(":%d:%d", f.Line, f.Col)
	}
	if f.Path != "" {
		where += ": " + f.Path
	}
	return where + ": " + f.What
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

// maxFaults bounds what one file is told; a person mends a few at a time.
const maxFaults = 100

// said are the first faults of a file, and how many more there are.
type said struct {
	first Faults
	more  int
}

// add reports whether there was room for it.
func (s *said) add(file string, line, col int, at path, what string) bool {
	if len(s.first) >= maxFaults {
		s.more++
		return false
	}
	if len(what) > 500 { // a number of a thousand digits
		what = strings.ToValidUTF8(what[:500], "") + "…"
	}
	s.first = append(s.first, Fault{File: file, Line: line, Col: col, Path: at.String(), What: what})
	return true
}

// sorted returns them by position, and behind them how many more there are.
func (s *said) sorted(file, noun string) Faults {
	slices.SortStableFunc(s.first, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	if s.more > 0 {
		return append(slices.Clip(s.first), Fault{File: file, What: fmt.Sprintf("and %d more %s", s.more, noun)})
	}
	return s.first
}

// path leads to a value, each element a key or an index.
type path []any

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

func (p path) String() string {
	var b strings.Builder
	for _, e := range p {
		key, ok := e.(string)
		switch {
		case !ok:
			fmt.Fprintf(&b, "[%d]", e)
		case !plainKey.MatchString(key):
			b.WriteString("[" + Quote(key) + "]")
		case b.Len() > 0:
			b.WriteString("." + key)
		default:
			b.WriteString(key)
		}
	}
	return b.String()
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
		if max(len(c)-len(word), len(word)-len(c)) > best { // nor nearer than that
			continue
		}
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
	var before, last, row []int // of the table by prefixes of a and b
	for i := range len(a) + 1 {
		before, last, row = last, row, make([]int, len(b)+1)
		for j := range row {
			switch {
			case i == 0 || j == 0:
				row[j] = i + j
			case a[i-1] == b[j-1]:
				row[j] = last[j-1]
			case i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1]:
				row[j] = 1 + min(last[j], row[j-1], before[j-2])
			default:
				row[j] = 1 + min(last[j], row[j-1], last[j-1])
			}
		}
	}
	return row[len(b)]
}
