// Package zones says what the pool is: its zone, sites, members and tenant
// pools (Registry, read from YAML), where an address is (Place, Atlas), and
// what the monitor thinks of each address (Scores, a plain type that crosses
// from monitor to resolver without either knowing the other).
//
// Everything here is a value. A Registry and an Atlas never change after they
// are made; an edit makes new ones and the caller swaps a pointer, so readers
// need no lock and a bad edit cannot spoil a good registry.
//
// This is the only room that imports yaml.v3, geoip2-golang and
// maxminddb-golang. The obvious alternative, yaml.v3's own struct decoding
// with KnownFields, is not used: it is silent about second documents, octals
// and keys inside custom unmarshalers, stops at the first fault, names Go
// types, and loses lines. Package zones/strict walks the yaml.Node instead.
package zones
