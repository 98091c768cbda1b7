package zones

// Continents are the seven names below the apex.
var Continents = []string{"africa", "antarctica", "asia", "europe", "north-america", "oceania", "south-america"}

// Country is one ISO 3166 country.
type Country struct {
	Code      string // alpha-2, lower case
	Continent string
	At        Point // a point in its middle
}

// Countries returns every ISO 3166 country, and uk beside gb, by code.
func Countries() []Country { return nil }

// FindCountry returns the country with that lower-case code ("uk" is gb).
func FindCountry(code string) (Country, bool) { return Country{}, false }
