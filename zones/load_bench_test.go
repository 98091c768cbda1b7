package zones

import (
	"bytes"
	"fmt"
	"testing"
)

// manyMembers is a registry of n members in two sites, the way automation would write it.
func manyMembers(n int) []byte {
	var b bytes.Buffer
	b.WriteString("zone: {name: pool.example, nameservers: {ns.other.example: []}}\n" +
		"sites:\n  fra: {country: de, networks: [10.0.0.0/9]}\n  tyo: {country: jp, networks: [10.128.0.0/9]}\nmembers:\n")
	for i := range n {
		site := [...]string{"fra", "tyo"}[i%2]
		fmt.Fprintf(&b, "  - {name: ntp%d.%s, addresses: [10.%d.%d.%d, \"fd12:3456:10::%x:%x\"], site: %[2]s, netspeed: 100000, tags: [dmz]}\n", i, site, i>>16&255, i>>8&255, i&255, i>>16, i&0xffff)
	}
	return b.Bytes()
}

// manySites is a registry of n sites and n/10 tenant pools.
func manySites(n int) []byte {
	b := bytes.NewBufferString("zone: {name: pool.example, nameservers: {ns.other.example: []}}\nmembers: [{name: a, addresses: [10.0.0.1], tags: [x]}]\nsites:\n")
	for i := range n {
		fmt.Fprintf(b, "  site%d: {country: de, networks: [10.%d.%d.0/24]}\n", i, i>>8, i&255)
	}
	b.WriteString("pools:\n")
	for i := range n / 10 {
		fmt.Fprintf(b, "  pool%d: {tags: [x]}\n", i)
	}
	return b.Bytes()
}

func BenchmarkLoad(b *testing.B) {
	for _, c := range []struct {
		name    string
		content []byte
	}{{"members=2000", manyMembers(2000)}, {"members=100000", manyMembers(100_000)}, {"sites=20000", manySites(20_000)}} {
		files := []source{{"pool.yaml", c.content}}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
