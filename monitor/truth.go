package monitor

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net/netip"
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

// claimSlack widens every interval: by what hosts claim less than they are off.
// ntpd takes the same (tos mindist).
const claimSlack = time.Millisecond

// drift is how much two clocks may part in a second and still be good.
const drift = 15e-6

// weigh finds the truth among the members that have a valid answer. Those that
// follow one another are told by refids, by which a host is known to others.
func weigh(hosts []voter, refids map[uint32]int, now time.Time, smearing bool) Truth {
	t := Truth{Falsetickers: []string{}, Warnings: []string{}}
	var ws []*voter
	clocks := map[string]bool{}
	for i := range hosts {
		if h := &hosts[i]; h.best != nil && !h.Paused && !h.reference {
			ws = append(ws, h)
			clocks[source(hosts, refids, i)] = true
		}
	}
	t.Witnesses, t.Clocks = len(ws), len(clocks)
	t.intersect(ws, now)
	for _, w := range ws {
		low, high := w.interval(now)
		if t.Agree >= 3 && 2*t.Agree > len(ws) && (high < t.Low || low > t.High) {
			t.Falsetickers = append(t.Falsetickers, w.Name)
		}
	}
	for clock := range clocks {
		if t.Clocks == 1 && t.Witnesses > 1 {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%d members, 1 clock: all of them hang on %s", t.Witnesses, clock))
		}
	}
	t.leaps(ws, smearing)
	return t
}

// intersect is Marzullo's algorithm: the span of time that most intervals share.
func (t *Truth) intersect(ws []*voter, now time.Time) {
	type edge struct {
		at    time.Duration
		opens int // +1 or −1
	}
	var edges []edge
	for _, w := range ws {
		low, high := w.interval(now)
		edges = append(edges, edge{low, 1}, edge{high, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), b.opens-a.opens) })
	depth := 0
	for i, e := range edges {
		if depth += e.opens; depth > t.Agree {
			t.Agree, t.Low, t.High = depth, e.at, edges[i+1].at
		}
	}
}

// source names the clock that a host hangs on in the end.
func source(hosts []voter, refids map[uint32]int, i int) string {
	for range hosts { // ends in a loop too
		s := hosts[i].best
		up, known := refids[s.RefID]
		switch {
		case s.Stratum <= 1:
			return hosts[i].Name
		case known && up != i && hosts[up].best != nil:
			i = up
		case s.RefID == 0:
			return hosts[i].Name
		default:
			return RefIDText(s.RefID, s.Stratum)
		}
	}
	return hosts[i].Name
}

// leaps warns of announcements that disagree, and of a smeared leap second
// beside a stepped one: before the day the one does not announce what the other
// does.
func (t *Truth) leaps(ws []*voter, smearing bool) {
	var says [4][]string // by leap indicator
	var smears []string
	for _, w := range ws {
		says[w.best.Leap&3] = append(says[w.best.Leap&3], w.Name)
		if w.Smear && smearing || saysSmear(w.best.RefID) || w.best.RefID == 0x7F7F01FF { // chronyd while it smooths time
			smears = append(smears, w.Name)
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

// refIDOf returns the reference identifier by which others name a source they
// follow (RFC 5905 §7.3); 0 for loopback, which names nobody.
func refIDOf(a netip.Addr) uint32 {
	switch a = a.Unmap(); {
	case a.IsLoopback():
		return 0
	case a.Is4():
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	sum := md5.Sum(a.AsSlice())
	return binary.BigEndian.Uint32(sum[:])
}

// loop tells of a sample whose member hangs on itself, by way of other members
// or directly; "" when it does not.
func (b *Board) loop(s *Sample, host int, now time.Time) string {
	var path []string
	for next := s; next != nil && next.Stratum > 1 && len(path) < 8; {
		up, ok := b.refids[next.RefID]
		switch {
		case !ok:
			return ""
		case up == host && path == nil:
			return "follows itself"
		case up == host:
			return "follows " + strings.Join(path, ", which follows ") + ", which follows it"
		}
		path = append(path, b.hosts[up].Name)
		next = b.voter(up, now).best
	}
	return ""
}
