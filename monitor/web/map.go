package web

import (
	"math"
	"slices"
)

// The map shows the earth from 78° north to 56° south as longitude and
// latitude, two units a degree: land.html holds the outline.
const (
	mapTop    = 24
	mapHeight = 268
)

// spot is one site on the map.
type spot struct {
	group
	X, Y, R        float64
	LabelX, LabelY float64
	Anchor         string // of the label: start or end
}

// spots places the sites that say where they are. A name that would cover
// another goes to the left of its spot, above it or below, and is left out when
// there is no room at all: the list below the map has it.
func spots(groups []group) (all []spot) {
	type box struct{ x, y, w, h float64 }
	var taken []box
	clear := func(b box) bool {
		return b.x >= 0 && b.x+b.w <= 720 && !slices.ContainsFunc(taken, func(t box) bool {
			return b.x < t.x+t.w && t.x < b.x+b.w && b.y < t.y+t.h && t.y < b.y+b.h
		})
	}
	for _, g := range groups {
		if !g.At.Known {
			continue
		}
		s := spot{group: g, X: 2 * (g.At.Lon + 180), Y: 2 * (90 - g.At.Lat), R: min(4+math.Sqrt(float64(len(g.Members))), 12)}
		s.Y = min(max(s.Y, mapTop+s.R), mapTop+mapHeight-s.R)
		taken = append(taken, box{s.X - s.R, s.Y - s.R, 2 * s.R, 2 * s.R})
		all = append(all, s)
	}
	for i := range all {
		s := &all[i]
		width := 7*float64(len(s.Name)) + 4
		for _, try := range []box{
			{s.X + s.R + 2, s.Y - 6, width, 12}, {s.X - s.R - 2 - width, s.Y - 6, width, 12},
			{s.X + 2, s.Y - s.R - 13, width, 12}, {s.X + 2, s.Y + s.R + 1, width, 12},
			{s.X - width, s.Y - s.R - 13, width, 12}, {s.X - width, s.Y + s.R + 1, width, 12},
		} {
			if !clear(try) {
				continue
			}
			taken = append(taken, try)
			s.LabelX, s.LabelY, s.Anchor = try.x+2, try.y+10, "start"
			if try.x < s.X-width/2 {
				s.LabelX, s.Anchor = try.x+width-2, "end"
			}
			break
		}
	}
	return all
}
