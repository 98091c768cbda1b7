package zones_test

import (
	"errors"
	"fmt"

	"github.com/timepool/timepool/zones"
	"github.com/timepool/timepool/zones/strict"
)

func ExampleLoad() {
	_, err := zones.Load("testdata/bad.yaml")
	var faults strict.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			fmt.Println(f)
		}
	}
	// Output:
	// bad.yaml:3:17: zone.nameservers["ns1.pool.example"]: has no address (glue), and nobody can find it without: it is in the zone itself
	// bad.yaml:4:8: zone.ttl: wants a duration such as 150s, got the number 150, which has no unit: write 150s
	// bad.yaml:6:22: sites.fra: unknown key "netwroks" (did you mean "networks"?)
	// bad.yaml:9:34: members[1].addresses[0]: duplicate address 10.16.0.11 (first at bad.yaml:8)
	// bad.yaml:9:46: members[1].addresses[1]: YAML takes a colon at the end for a key: quote it: "fd00::"
	// bad.yaml:9:61: members[1].site: no site "far" in sites (did you mean "fra"?)
	// bad.yaml:9:76: members[1].netspeed: 010 is not plain decimal: write 10
}
