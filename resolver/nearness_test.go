package resolver

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/timepool/timepool/zones"
)

// rings tells a row as lists of spots.
func rings(r row) string {
	text, from := "", uint16(0)
	for _, end := range r.ends {
		text += fmt.Sprint(r.spots[from:end])
		from = end
	}
	return text
}

func TestRings(t *testing.T) {
	place := func(site, country, continent string, at zones.Point) zones.Place {
		return zones.Place{Site: site, Country: country, Continent: continent, At: at}
	}
	var unknown zones.Point
	places := []zones.Place{
		place("fra", "de", "europe", at(50.11, 8.68)),
		place("maz", "de", "europe", at(50.00, 8.27)), // 32 km from fra
		place("muc", "de", "europe", at(48.14, 11.58)),
		place("par", "fr", "europe", at(48.86, 2.35)),
		place("nyc", "us", "north-america", at(40.71, -74.00)),
		place("bos", "us", "north-america", at(42.36, -71.06)),
		place("", "de", "europe", unknown),
		place("", "us", "north-america", unknown),
		{},
	}
	var spots []spot
	for _, p := range places {
		spots = append(spots, spot{p, pointOf(p.At)})
	}
	named := func(p zones.Place, middles ...point) *origin {
		o := newOrigin(p)
		o.named, o.points = true, append(o.points, middles...)
		return o
	}
	for _, c := range []struct {
		name string
		o    *origin
		want string
	}{
		// Its own site alone, then Mainz, 32 km; unknown in Germany as if at 250 km,
		// Munich at 304, Paris at 478; the Americas within a tenth of each other.
		{"site", newOrigin(places[0]), "[0][1][6][2][3][4 5][7 8]"},
		{"site by name", named(places[0]), "[0 1 2 6][3][4 5][7 8]"},
		{"cell", newOrigin(place("", "de", "europe", at(50.5, 8.5))), "[0 1][6][2][3][4 5][7 8]"},
		{"country only", newOrigin(place("", "de", "europe", unknown)), "[0 1 2 6][3][4 5 7 8]"},
		{"continent only", newOrigin(place("", "", "europe", unknown)), "[0 1 2 3 6][4 5 7 8]"},
		{"nothing", newOrigin(zones.Place{}), "[0 1 2 3 4 5 6 7 8]"},
		{"named country", named(place("", "us", "north-america", at(39, -98))), "[4 5 7][0 1 2 3][6 8]"},
		{"named continent", named(place("", "", "europe", unknown), pointOf(at(51, 10)), pointOf(at(64, -19))), "[0 1 2 3 6][4 5][7 8]"},
	} {
		var d distances
		if got := rings(d.row(c.o, spots)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestGround: where members are found to be, and that names of places see what
// is in them first.
func TestGround(t *testing.T) {
	r := world("a fra 1 active - 192.0.2.1", "b - 1 active - 10.16.0.9", "c - 1 active - 192.0.2.3 10.32.0.9", "d - 1 active - 192.0.2.4")
	r.Zone.Default = "osa"
	g, err := survey(r, zones.NewAtlas(r, nil), &Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"fra", "fra", "tyo", ""}
	for i, spot := range g.spot {
		if got := g.spots[spot].Site; got != want[i] {
			t.Errorf("%s is at %q, want %q", r.Members[i].Name, got, want[i])
		}
	}
	for i, name := range g.labels {
		first := g.spots[g.rows[g.atlas.Len()+i].spots[0]].Site
		switch name {
		case "europe", "de", "fra", "uk", "it", "africa":
			if first != "fra" {
				t.Errorf("%s sees %q first", name, first)
			}
		case "asia", "jp", "tyo", "kr", "osa", "oceania":
			if first != "tyo" {
				t.Errorf("%s sees %q first", name, first)
			}
		}
	}
	place, _ := g.atlas.Find(netip.MustParseAddr("203.0.113.1"))
	if site := g.spots[g.rows[place].spots[0]].Site; site != "tyo" {
		t.Errorf("the default site osa sees %q first", site)
	}
}
