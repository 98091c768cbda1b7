package zones

import "math"

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
