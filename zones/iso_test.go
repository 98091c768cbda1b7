package zones

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestCountries(t *testing.T) {
	all := Countries()
	if len(all) != 250 {
		t.Errorf("%d names, want ISO's 249 and uk", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b Country) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("not sorted by code")
	}
	if !slices.IsSortedFunc(isoTable(), func(a, b Country) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("iso.csv is not sorted by code, so FindCountry misses some")
	}
	seen, continents := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if len(c.Code) != 2 || strings.ToLower(c.Code) != c.Code || seen[c.Code] {
			t.Errorf("code %q", c.Code)
		}
		if !slices.Contains(Continents, c.Continent) {
			t.Errorf("%s is in %q", c.Code, c.Continent)
		}
		if !c.At.Known || math.Abs(c.At.Lat) > 90 || math.Abs(c.At.Lon) > 180 {
			t.Errorf("%s is at %v", c.Code, c.At)
		}
		if found, ok := FindCountry(c.Code); !ok || found.At != c.At {
			t.Errorf("FindCountry(%q) = %v %v", c.Code, found, ok)
		}
		seen[c.Code], continents[c.Continent] = true, true
	}
	if seen["xk"] || !seen["uk"] || !seen["gb"] || len(continents) != 7 {
		t.Errorf("xk %v, uk %v, gb %v, %d continents", seen["xk"], seen["uk"], seen["gb"], len(continents))
	}
	all[0].Code = "changed"
	if Countries()[0].Code != "ad" {
		t.Error("a caller changed the table")
	}
}

func TestFindCountry(t *testing.T) {
	for code, want := range map[string]string{
		"ru": "europe", "tr": "asia", "cy": "europe", "kz": "asia", "eg": "africa", "mx": "north-america", "jm": "north-america",
		"pa": "north-america", "co": "south-america", "aq": "antarctica", "fj": "oceania", "tl": "oceania", "xk": "europe", "uk": "europe",
	} {
		if c, ok := FindCountry(code); !ok || c.Continent != want {
			t.Errorf("%s is in %q %v, want %q", code, c.Continent, ok, want)
		}
	}
	if c, _ := FindCountry("uk"); c.Code != "gb" {
		t.Errorf("uk is %q", c.Code)
	}
	for _, code := range []string{"", "zz", "DE", "usa", "la."} {
		if c, ok := FindCountry(code); ok {
			t.Errorf("found %q: %v", code, c)
		}
	}
}
