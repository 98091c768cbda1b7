package zones

import (
	"math"
	"testing"
)

func TestDistance(t *testing.T) {
	at := func(lat, lon float64) Point { return Point{lat, lon, true} }
	for _, c := range []struct {
		name string
		a, b Point
		km   float64
	}{
		{"here", at(50.11, 8.68), at(50.11, 8.68), 0},
		{"London to Paris", at(51.5074, -0.1278), at(48.8566, 2.3522), 343.6},
		{"Frankfurt to Tokyo", at(50.11, 8.68), at(35.68, 139.69), 9336},
		{"over the date line", at(0, 179.5), at(0, -179.5), 111.2},
		{"over the pole", at(89, 0), at(89, 180), 222.4},
		{"antipodes", at(30, 40), at(-30, -140), 20015.1},
		{"a metre", at(50, 8), at(50.000009, 8), 0.001},
	} {
		for _, p := range [][2]Point{{c.a, c.b}, {c.b, c.a}} {
			km, ok := Distance(p[0], p[1])
			if !ok || math.Abs(km-c.km) > 0.0005+c.km/1000 {
				t.Errorf("%s: %v km %v, want %v", c.name, km, ok, c.km)
			}
		}
	}
	if km, ok := Distance(Point{}, at(0, 0)); ok || km != 0 {
		t.Errorf("unknown is %v km away", km)
	}
}
