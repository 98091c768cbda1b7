package resolver

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

func TestMailbox(t *testing.T) {
	for contact, want := range map[string]string{
		"hostmaster@example.org":  "hostmaster.example.org.",
		"host.master@example.org": `host\.master.example.org.`,
		`back\slash@example.org`:  `back\\slash.example.org.`,
		"hostmaster.example.org":  "hostmaster.example.org.",
		"":                        "hostmaster.pool.example.",
	} {
		got := mailbox(contact, "pool.example")
		if _, err := wireName(got); got != want || err != nil {
			t.Errorf("%q: %q %v, want %q", contact, got, err, want)
		}
	}
}

// TestStaticKeepsDecks: what Build put at an owner before stays there.
func TestStaticKeepsDecks(t *testing.T) {
	wire, _ := wireName("pool.example")
	s := &Snapshot{names: map[string]*name{wire: {pool: true, suit: 3, place: 4}}}
	if err := s.addStatic(&sampleRegistry); err != nil {
		t.Fatal(err)
	}
	if n := s.names[wire]; !n.pool || n.suit != 3 || n.place != 4 || len(n.static) != 2 {
		t.Errorf("%+v", n)
	}
	for _, owner := range []string{"dns.pool.example", "b.dns.pool.example"} {
		wire, _ := wireName(owner)
		if n := s.names[wire]; n == nil || n.pool {
			t.Errorf("%s: %+v", owner, n)
		}
	}
	if other, _ := wireName("ns.other.net"); s.names[other] != nil {
		t.Error("a name server outside the zones has a name here")
	}
}

// TestNegativeTTL: the lesser of the SOA's TTL and its minimum (RFC 2308
// section 3).
func TestNegativeTTL(t *testing.T) {
	for minimum, want := range map[uint32]uint32{30: 30, 3600: 3600, 86400: 3600} {
		r := sampleRegistry
		r.Zone.NegativeTTL = time.Duration(minimum) * time.Second
		s := &Snapshot{}
		if err := s.addStatic(&r); err != nil {
			t.Fatal(err)
		}
		q, _ := question("gone.pool.example.", dns.TypeA).Pack()
		reply, _ := s.Answer(nil, q, sampleRegistry.Zone.Nameservers[0].Addresses[0], Transport{}, nil)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		if soa := got.Ns[0].(*dns.SOA); soa.Hdr.Ttl != want || soa.Minttl != minimum {
			t.Errorf("%v, want TTL %d", soa, want)
		}
	}
}

// TestNestedApex: a name belongs to the nearest apex above it.
func TestNestedApex(t *testing.T) {
	r := sampleRegistry
	r.Zone.Also = []string{"ntp.pool.example"}
	s := &Snapshot{}
	if err := s.addStatic(&r); err != nil {
		t.Fatal(err)
	}
	q, _ := question("gone.ntp.pool.example.", dns.TypeA).Pack()
	reply, _ := s.Answer(nil, q, r.Zone.Nameservers[0].Addresses[0], Transport{}, nil)
	got := new(dns.Msg)
	if err := got.Unpack(reply); err != nil || got.Ns[0].Header().Name != "ntp.pool.example." {
		t.Errorf("%v %v", got, err)
	}
}

func TestStaticFaults(t *testing.T) {
	long := strings.Repeat("x", 64)
	for want, spoil := range map[string]func(*zones.Zone){
		"zone " + long:       func(z *zones.Zone) { z.Name = long },
		"nameserver " + long: func(z *zones.Zone) { z.Nameservers = []zones.Nameserver{{Name: long}} },
		"zone pool.example":  func(z *zones.Zone) { z.Contact = long + "@example.org" },
	} {
		r := sampleRegistry
		spoil(&r.Zone)
		if err := new(Snapshot).addStatic(&r); err == nil || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("%v, want %s: …", err, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	seen := map[string]bool{}
	for v := range Verdicts {
		if s := Verdict(v).String(); s == "" || seen[s] || s != strings.ToLower(s) {
			t.Errorf("%d: %q", v, s)
		} else {
			seen[s] = true
		}
	}
}
