package strict_test

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/timepool/timepool/zones/strict"
)

func ExampleDecode() {
	type node struct {
		Listen  []netip.AddrPort `yaml:"listen,required" min:"1" doc:"Where DNS is answered."`
		Vantage string           `yaml:"vantage" form:"label" default:"here" doc:"What this node calls itself."`
		Probe   struct {
			Interval time.Duration `yaml:"interval" default:"64s" min:"1s" max:"1h" doc:"Between two checks."`
			Source   string        `yaml:"source" enum:"any ipv4 ipv6" default:"any" doc:"Addresses to probe from."`
		} `yaml:"probe"`
	}
	var n node
	doc := strict.Decode("timepool.yaml", []byte(`
listen: [127.0.0.1:5300, 10.0.0.300:53]
probe:
  intervall: 8s
  source: ip4
`), &n)
	if n.Vantage == "here" {
		doc.Fault("this node has no name of its own", "vantage")
	}
	var faults strict.Faults
	if errors.As(doc.Err(), &faults) {
		for _, f := range faults {
			fmt.Println(f)
		}
	}
	// Output:
	// timepool.yaml:2:1: vantage: this node has no name of its own
	// timepool.yaml:2:26: listen[1]: "10.0.0.300:53" is not an address and port such as 127.0.0.1:53
	// timepool.yaml:4:3: probe: unknown key "intervall" (did you mean "interval"?)
	// timepool.yaml:5:11: probe.source: "ip4" is not any, ipv4 or ipv6 (did you mean "ipv4"?)
}
