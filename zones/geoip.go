package zones

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
)

// GeoIP is a City or Country MMDB file, quantised to country and 1° cell and
// independent of the file. It never changes; any number of Atlases share one.
type GeoIP struct {
	places []Place // by value in the ranges; 0 is nowhere
	ranges families
}

// OpenGeoIP reads a City, Enterprise or Country file of MaxMind or DB-IP. A real
// City file (66 MB, 5.8 million networks, 7,100 places) takes about two seconds,
// about 205 MB at the peak, and leaves 21 MB.
//
// Every error is one line that names the file: not there, not an MMDB, of
// another type (ASN, ISP …) or damaged.
func OpenGeoIP(path string) (*GeoIP, error) {
	// Read and not mapped: a file that is copied over meanwhile cannot fault then.
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("geoip file: %w", err)
	}
	g, err := parseGeoIP(content)
	if err != nil {
		return nil, fmt.Errorf("geoip file %s: %w", path, err)
	}
	// Reading leaves several times as much garbage as it keeps, once in a week or
	// so: it goes back at once instead of raising what the process holds for good.
	debug.FreeOSMemory()
	return g, nil
}

// parseGeoIP quantises a file if it is of a type that has countries, by the word of
// geoip2-golang, which knows the vendors' names.
func parseGeoIP(content []byte) (*GeoIP, error) {
	const want = "want a City or Country database (GeoLite2, GeoIP2 or DB-IP)"
	typed, err := geoip2.OpenBytes(content)
	if unknown := (geoip2.UnknownDatabaseTypeError{}); errors.As(err, &unknown) {
		return nil, fmt.Errorf("type %q is not known: %s", unknown.DatabaseType, want)
	}
	if err != nil {
		return nil, fmt.Errorf("not a complete MMDB file: %w", err)
	}
	_, err = typed.Country(netip.IPv4Unspecified())
	if other := (geoip2.InvalidMethodError{}); errors.As(err, &other) {
		return nil, fmt.Errorf("type %q has no places: %s", other.DatabaseType, want)
	}
	file, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("not a complete MMDB file: %w", err)
	}
	return quantise(file)
}

// record is the part of a City or Country record that is used.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Location struct {
		Lat *float64 `maxminddb:"latitude"`
		Lon *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// quantise walks all networks of the file once, in order, decoding each
// distinct record once.
func quantise(file *maxminddb.Reader) (*GeoIP, error) {
	g := &GeoIP{places: []Place{{}}}
	painted := newPainting()
	countries := strings.Contains(file.Metadata.DatabaseType, "Country")
	byPlace := map[Place]uint16{{Origin: FromGeoIP}: 0} // a record that says nothing is nowhere
	byRecord := make(map[uintptr]uint16)
	// A tree with n nodes has n+1 leaves, and some more where a writer shares
	// equal subtrees; a damaged one whose branches join has up to 2¹²⁸.
	leaves, most := uint(0), 16*(file.Metadata.NodeCount+1)
	for network := range file.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if err := network.Err(); err != nil {
			return nil, fmt.Errorf("damaged: %w", err)
		}
		if leaves++; leaves > most {
			return nil, errors.New("damaged: more networks than its search tree has room for")
		}
		if !network.Found() {
			continue
		}
		value, seen := byRecord[network.Offset()]
		if !seen {
			var r record
			if err := network.Decode(&r); err != nil {
				return nil, fmt.Errorf("damaged at %s: %w", network.Prefix(), err)
			}
			place := r.place(countries)
			if value, seen = byPlace[place]; !seen {
				if len(g.places) > math.MaxUint16 {
					return nil, fmt.Errorf("more than %d places", math.MaxUint16)
				}
				value = uint16(len(g.places))
				g.places, byPlace[place] = append(g.places, place), value
			}
			byRecord[network.Offset()] = value
		}
		painted.leaf(network.Prefix(), value)
	}
	g.ranges = painted.seal()
	return g, nil
}

// leaf gives a network a value. Networks come in the order of the tree, which
// has IPv4 at ::/96.
func (p *painting) leaf(network netip.Prefix, value uint16) {
	p.from(network, value)
	p.past(network, 0)
	if network.Addr() == netip.IPv6Unspecified() && network.Bits() < 96 {
		p.leaf(netip.PrefixFrom(netip.IPv4Unspecified(), 0), value)
	}
}

// place returns the record's place, quantised. The continent is the ISO
// table's, so that clients and sites in one country never differ in it.
// centroids puts a record without a location in the middle of its country:
// right for a Country file, where all are so, and a false precision in a City
// file, where it means that nobody knows.
func (r *record) place(centroids bool) Place {
	p := Place{Country: strings.ToLower(r.Country.Code), Continent: continentCodes[r.Continent.Code], Origin: FromGeoIP}
	country, known := FindCountry(p.Country)
	if known {
		p.Country, p.Continent = country.Code, country.Continent
	}
	if r.Location.Lat != nil && r.Location.Lon != nil {
		p.At = cell(*r.Location.Lat, *r.Location.Lon)
	}
	if known && centroids {
		p.At = cmp.Or(p.At, country.At)
	}
	return p
}

// continentCodes are the file's names for Continents.
var continentCodes = map[string]string{
	"AF": "africa", "AN": "antarctica", "AS": "asia", "EU": "europe",
	"NA": "north-america", "OC": "oceania", "SA": "south-america",
}

// cell returns the middle of the 1° cell around a point; unknown for what is no
// point on earth, and for 0,0 in the Gulf of Guinea, which is how some files
// write that they do not know.
func cell(lat, lon float64) Point {
	if !(math.Abs(lat) <= 90 && math.Abs(lon) <= 180) || lat == 0 && lon == 0 { // NaN is not ≤ either
		return Point{}
	}
	if lon == 180 {
		lon = -180 // the same meridian
	}
	return Point{Lat: math.Floor(min(lat, 89)) + 0.5, Lon: math.Floor(lon) + 0.5, Known: true}
}
