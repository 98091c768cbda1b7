package zones

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestRRs: as a zone file has them, a type together, texts cut after 255 octets.
func TestRRs(t *testing.T) {
	r := Record{
		Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")},
		TXT:       []string{"", `say "hi\`, "ü", strings.Repeat("a", 256)},
		MX:        []MX{{Host: "."}, {Preference: 10, Host: "mail.example.org"}},
		SRV:       []SRV{{Priority: 1, Weight: 2, Port: 123, Target: "pool.example"}},
		CAA:       []CAA{{Tag: "issue", Value: ";", Critical: true}},
		PTR:       []string{"a.example"},
	}
	want := []string{
		"A 192.0.2.1", "AAAA 2001:db8::1",
		`TXT ""`, `TXT "say \"hi\\"`, `TXT "\195\188"`, `TXT "` + strings.Repeat("a", 255) + `" "a"`,
		"MX 0 .", "MX 10 mail.example.org.", "SRV 1 2 123 pool.example.", `CAA 128 issue ";"`, "PTR a.example.",
	}
	if got := r.RRs(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&Record{CNAME: "www.pool.example"}).RRs(); !slices.Equal(got, []string{"CNAME www.pool.example."}) {
		t.Errorf("%q", got)
	}
}
