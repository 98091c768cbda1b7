package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// show writes v as JSON, or lines when a table is wanted.
func (a *app) show(v any, lines []string) error {
	if a.output == "json" {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(a.out, coloured(a.out, line)); err != nil {
			return err
		}
	}
	return nil
}

// colour is an ANSI colour.
type colour string

const (
	green  colour = "32"
	red    colour = "31"
	yellow colour = "33"
	dim    colour = "2"
	plain  colour = "0"
)

func (c colour) of(text string) string { return "\x1b[" + string(c) + "m" + text + "\x1b[0m" }

// escapes are colours, which take no room.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func width(text string) int { return utf8.RuneCountInString(escapes.ReplaceAllString(text, "")) }

// aligned is a table: a line for the heads and one for each row.
func aligned(heads []string, rows [][]string) []string {
	widths := make([]int, len(heads))
	all := append([][]string{heads}, rows...)
	for _, row := range all {
		for i, text := range row {
			widths[i] = max(widths[i], width(text))
		}
	}
	lines := make([]string, len(all))
	for n, row := range all {
		for i, text := range row {
			pad := widths[i] + 2 - width(text)
			if n == 0 {
				text = dim.of(text)
			}
			if lines[n] += text; i < len(row)-1 {
				lines[n] += strings.Repeat(" ", pad)
			}
		}
	}
	return lines
}

// coloured leaves text its colours only where w is a terminal and NO_COLOR
// (no-color.org) is not set.
func coloured(w io.Writer, text string) string {
	if os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w) {
		return text
	}
	return escapes.ReplaceAllString(text, "")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
