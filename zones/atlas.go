package zones

import "net/netip"

// Atlas finds the Place of an address.
type Atlas struct{}

// NewAtlas merges the registry's networks over the GeoIP file (nil: none).
func NewAtlas(r *Registry, g *GeoIP) *Atlas { return &Atlas{} }

// GeoIP is an MMDB file, quantised.
type GeoIP struct{}

// OpenGeoIP reads a City or Country MMDB.
func OpenGeoIP(path string) (*GeoIP, error) { return &GeoIP{}, nil }

// Find returns the place of addr and the shortest prefix around addr in which every address has that place.
func (a *Atlas) Find(addr netip.Addr) (PlaceID, netip.Prefix) { return 0, netip.Prefix{} }

// Place returns the place with that number.
func (a *Atlas) Place(id PlaceID) Place { return Place{} }

// Len returns the number of places; PlaceIDs are 0 … Len()−1.
func (a *Atlas) Len() int { return 1 }
