package zones

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Continents are the seven names below the apex.
var Continents = []string{"africa", "antarctica", "asia", "europe", "north-america", "oceania", "south-america"}

// Country is one ISO 3166 country.
type Country struct {
	Code      string // alpha-2, lower case
	Continent string // one of Continents, as GeoNames has it: ru europe, tr asia, cy europe
	// At is a point in the country's middle, to about a degree. Where most of
	// the land is empty it is the middle of where people live: queries come
	// from people, and a client "in Russia" is nearer to Frankfurt than to Tokyo.
	At Point
}

// Countries returns every ISO 3166 country, and uk beside gb, by code. Each
// Code is a name in DNS; FindCountry gives the code that Places carry.
func Countries() []Country {
	return slices.DeleteFunc(slices.Clone(isoTable()), func(c Country) bool { return c.Code == "xk" }) // which is no ISO name
}

// FindCountry returns the country with that lower-case code. uk is gb, under
// the code gb. xk (Kosovo) is known too: it is not ISO's, but GeoIP files use it.
func FindCountry(code string) (Country, bool) {
	if code == "uk" {
		code = "gb"
	}
	table := isoTable()
	i, ok := slices.BinarySearchFunc(table, code, func(c Country, code string) int { return strings.Compare(c.Code, code) })
	if !ok {
		return Country{}, false
	}
	return table[i], true
}

//go:embed iso.csv
var isoCSV string

// isoTable parses iso.csv (code, continent, latitude, longitude, name), once:
// a constant that Go cannot write as one.
var isoTable = sync.OnceValue(func() (table []Country) {
	for line := range strings.Lines(isoCSV) {
		row := strings.SplitN(line, ",", 5)
		lat, err1 := strconv.ParseFloat(row[2], 64)
		lon, err2 := strconv.ParseFloat(row[3], 64)
		if err1 != nil || err2 != nil {
			panic("zones: iso.csv: no coordinates: " + line)
		}
		table = append(table, Country{Code: row[0], Continent: row[1], At: Point{Lat: lat, Lon: lon, Known: true}})
	}
	return table
})
