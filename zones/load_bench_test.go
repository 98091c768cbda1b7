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

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{2000, 100_000} {
		files := []source{{"pool.yaml", manyMembers(n)}}
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
