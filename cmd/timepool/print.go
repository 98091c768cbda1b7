package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// paint is an ANSI colour; the zero value leaves text alone.
type paint string

const (
	green  paint = "32"
	red    paint = "31"
	yellow paint = "33"
	dim    paint = "2"
)

// cell is one field of a table; its colour takes no room.
type cell struct {
	text  string
	paint paint
}

// printTable aligns rows under their heads. Colours only where w is a terminal
// and NO_COLOR (no-color.org) is not set.
func printTable(w io.Writer, heads []string, rows [][]cell) error {
	return printTableTo(w, heads, rows, colours(w))
}

func printTableTo(w io.Writer, heads []string, rows [][]cell, colour bool) error {
	width := make([]int, len(heads))
	for i, h := range heads {
		width[i] = utf8.RuneCountInString(h)
	}
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	line := func(row []cell) {
		for i, c := range row {
			pad := width[i] - utf8.RuneCountInString(c.text)
			if colour && c.paint != "" {
				fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", c.paint, c.text)
			} else {
				b.WriteString(c.text)
			}
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", pad+2))
			}
		}
		b.WriteByte('\n')
	}
	head := make([]cell, len(heads))
	for i, h := range heads {
		head[i] = cell{h, dim}
	}
	line(head)
	for _, row := range rows {
		line(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func colours(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// terminalSize is how many columns and lines w has; 80 and 24 when it cannot tell.
func terminalSize(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}

// cut shortens a line to width columns. Colours take no room and stay.
func cut(line string, width int) string {
	var b strings.Builder
	escape := false
	for _, r := range line {
		escape = escape || r == '\x1b'
		if escape || width > 0 {
			b.WriteRune(r)
		}
		if !escape {
			width--
		}
		escape = escape && r != 'm'
	}
	return b.String()
}
