package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Truth is what the members' answers say of one another, whatever the clock of
// this node is: it needs no reference.
type Truth struct {
	Witnesses    int           `json:"witnesses"`    // hosts with a fresh valid answer
	Agree        int           `json:"agree"`        // most of them whose intervals share a moment …
	Low          time.Duration `json:"low_ns"`       // … which is so far off the clock of this node: from …
	High         time.Duration `json:"high_ns"`      // … to
	Falsetickers []string      `json:"falsetickers"` // the others by name, where those are a majority of three at least
	Clocks       int           `json:"clocks"`       // different clocks that the witnesses hang on, by refid
	Warnings     []string      `json:"warnings"`     // a line each
}

// witness is a host as it bears on the truth about time.
type witness struct {
	name             string
	offset, distance time.Duration // its interval, seen from our clock
	leap, stratum    uint8
	refid            uint32
	follows          int  // index of the witness that refid names; −1: none
	smears           bool // now, as the registry says
}

// claimSlack widens every interval: by what hosts claim less than they are off.
// ntpd takes the same (tos mindist).
const claimSlack = time.Millisecond

// weigh finds the truth among the witnesses.
func weigh(ws []witness) Truth {
	t := Truth{Witnesses: len(ws), Falsetickers: []string{}, Warnings: []string{}}
	t.intersect(ws)
	for _, w := range ws {
		if t.Agree >= 3 && 2*t.Agree > len(ws) && (w.offset+w.distance < t.Low || w.offset-w.distance > t.High) {
			t.Falsetickers = append(t.Falsetickers, w.name)
		}
	}
	clocks := map[string]bool{}
	for i := range ws {
		clocks[source(ws, i)] = true
	}
	t.Clocks = len(clocks)
	for clock := range clocks {
		if t.Clocks == 1 && t.Witnesses > 1 {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%d members, 1 clock: all of them hang on %s", t.Witnesses, clock))
		}
	}
	t.leaps(ws)
	return t
}

// intersect is Marzullo's algorithm: the span of time that most intervals share.
func (t *Truth) intersect(ws []witness) {
	type edge struct {
		at    time.Duration
		opens int // +1 or −1
	}
	var edges []edge
	for _, w := range ws {
		edges = append(edges, edge{w.offset - w.distance, 1}, edge{w.offset + w.distance, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), b.opens-a.opens) })
	depth := 0
	for i, e := range edges {
		if depth += e.opens; depth > t.Agree {
			t.Agree, t.Low, t.High = depth, e.at, edges[i+1].at
		}
	}
}

// source names the clock that the i-th witness hangs on in the end.
func source(ws []witness, i int) string {
	for range ws { // ends in a loop too
		if ws[i].follows < 0 {
			break
		}
		i = ws[i].follows
	}
	if ws[i].stratum <= 1 || ws[i].follows >= 0 || ws[i].refid == 0 {
		return ws[i].name
	}
	return RefIDText(ws[i].refid, ws[i].stratum)
}

// leaps warns of announcements that disagree, and of a smeared leap second
// beside a stepped one: before the day the one does not announce what the other
// does.
func (t *Truth) leaps(ws []witness) {
	var says [4][]string // by leap indicator
	var smears []string
	for _, w := range ws {
		says[w.leap&3] = append(says[w.leap&3], w.name)
		if w.smears || saysSmear(w.refid) || w.refid == 0x7F7F01FF { // chronyd while it smooths time
			smears = append(smears, w.name)
		}
	}
	announce := slices.Concat(says[1], says[2])
	switch {
	case len(says[1]) > 0 && len(says[2]) > 0:
		t.Warnings = append(t.Warnings, fmt.Sprintf("leap second: %s announce a minute of 61 s, %s one of 59 s", few(says[1]), few(says[2])))
	case len(announce) > 0 && len(announce) < len(ws):
		t.Warnings = append(t.Warnings, fmt.Sprintf("leap second: %d of %d members announce it (%s), %s not: they do not know or will smear it, and then clocks differ by up to a second",
			len(announce), len(ws), few(announce), few(says[0])))
	}
	if len(smears) > 0 && len(smears) < len(ws) {
		t.Warnings = append(t.Warnings, fmt.Sprintf("leap second: %s smear it now and %d others do not: clocks differ by up to a second", few(smears), len(ws)-len(smears)))
	}
}

// few names the first three of many.
func few(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
