package zones

import (
	"fmt"
	"math"
)

// Point is a spot on the earth in degrees, north and east positive. The zero
// Point is "unknown", which is not the same as 0,0 in the Gulf of Guinea.
type Point struct {
	Lat   float64 `yaml:"latitude,item" min:"-90" max:"90"`
	Lon   float64 `yaml:"longitude,item" min:"-180" max:"180"`
	Known bool    `yaml:",given"`
}

// told is latitude and longitude, "" for unknown.
func (p Point) told() string {
	if !p.Known {
		return ""
	}
	return fmt.Sprint(p.Lat, " ", p.Lon)
}

// EarthRadius is the mean radius of the earth in km (IUGG).
const EarthRadius = 6371.0088

// Distance returns the great-circle distance between a and b in km, 0 to about
// 20,015, on a sphere (within 0.6 % of the ellipsoid). ok is false when either
// point is unknown: there is no distance then, not even a far one.
func Distance(a, b Point) (km float64, ok bool) {
	if !a.Known || !b.Known {
		return 0, false
	}
	const rad = math.Pi / 180
	lat, lon := math.Sin((b.Lat-a.Lat)*rad/2), math.Sin((b.Lon-a.Lon)*rad/2)
	// Haversine: unlike the law of cosines it keeps its precision for near points.
	h := lat*lat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*lon*lon
	return 2 * EarthRadius * math.Asin(math.Sqrt(min(h, 1))), true
}

// Origin tells how a Place was found.
type Origin uint8

// Where a Place may come from, weakest first.
const (
	FromDefault  Origin = iota // nothing knows the address
	FromGeoIP                  // the MMDB file
	FromRegistry               // a site's networks
)

// Place is where an address is, as far as it matters for choosing members.
// It is comparable: equal Places get equal answers.
type Place struct {
	Site      string // "" unless the registry knows the network
	Country   string // ISO 3166 alpha-2, lower case; "" unknown
	Continent string // one of Continents; "" unknown
	At        Point  // GeoIP points are the middle of a 1° cell, or of the country
	Origin    Origin
}

// PlaceID numbers the distinct Places of one Atlas. 0 is the default place.
type PlaceID uint32
