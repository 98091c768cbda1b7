package zones

import (
	"time"

	"github.com/timepool/timepool/zones/strict"
)

// Profile is how strictly clocks are judged, beside the NTP Pool's own numbers:
// a check is never worth more than those give it.
type Profile struct {
	Name            string        `yaml:",key" form:"label"`
	MaxStratum      int           `yaml:"max_stratum" default:"7" min:"1" max:"7" doc:"An answer of a higher stratum is worth nothing (-4)."`
	MaxRootDistance time.Duration `yaml:"max_root_distance" default:"1500ms" min:"1ms" max:"1500ms" doc:"Half the round trip included; an answer from farther away is worth nothing (-4)."`
	Path            bool          `yaml:"path" default:"true" doc:"Half the round trip is taken off the offset before it is judged, as the path may have made so much."`
	Bands           []Band        `yaml:"bands,required" min:"1" max:"16" doc:"What offsets are worth, the smallest first."`
	Beyond          float64       `yaml:"beyond" default:"-4" min:"-5" max:"1" doc:"The step beyond the last band."`

	// What the zone says of coming back; Registry.Profile fills it in.
	Readmit int           `yaml:"-"` // the score to be in again after a fall; 10 at least
	Hold    time.Duration `yaml:"-"` // how long to stay out at least
}

// Band is the step that a check adds for offsets from the former band's limit,
// or 0, up to its own: a straight line.
type Band struct {
	UpTo time.Duration `yaml:"up_to,required" min:"1us" max:"3s" doc:"The offset where the band ends, included."`
	From float64       `yaml:"from,required" min:"-5" max:"2" doc:"The step where it begins; more than 1 counts as 1."`
	To   float64       `yaml:"to,required" min:"-5" max:"1" doc:"The step where it ends."`
}

// Step returns what an offset of that size is worth.
func (p *Profile) Step(size time.Duration) float64 {
	begin := time.Duration(0)
	for _, b := range p.Bands {
		if size <= b.UpTo {
			return min(1, b.From+(b.To-b.From)*float64(size-begin)/float64(b.UpTo-begin))
		}
		begin = b.UpTo
	}
	return p.Beyond
}

// NTPPool returns the profile ntppool: the numbers of the NTP Pool's scorer
// (bands of July 2025), with a limit on the root distance, which it leaves out.
func NTPPool() Profile {
	return Profile{
		Name: "ntppool", MaxStratum: 7, MaxRootDistance: 1500 * time.Millisecond, Beyond: -4,
		Bands: []Band{
			{25 * time.Millisecond, 1, 1},
			{100 * time.Millisecond, 1.167 - 6.667*0.025, 1.167 - 6.667*0.1},
			{750 * time.Millisecond, 0.731 - 2.308*0.1, 0.731 - 2.308*0.75},
			{3 * time.Second, -2, -2},
		},
	}
}

// LAN returns the profile lan, the default: for clocks that are near, where
// 100 ms is wrong and not merely far.
func LAN() Profile {
	return Profile{
		Name: "lan", MaxStratum: 7, MaxRootDistance: 1500 * time.Millisecond, Path: true, Beyond: -4,
		Bands: []Band{{5 * time.Millisecond, 1, 1}, {50 * time.Millisecond, 1, 0}, {100 * time.Millisecond, 0, -3}},
	}
}

// Profile returns the profile that clocks are judged by.
func (r *Registry) Profile() Profile {
	chosen := LAN()
	for _, p := range append([]Profile{NTPPool()}, r.Profiles...) {
		if p.Name == r.Zone.Profile {
			chosen = p
		}
	}
	chosen.Readmit, chosen.Hold = r.Zone.Readmit, r.Zone.Hold
	return chosen
}

// profiles holds the bands against each other and the zone's choice against
// what there is.
func (c *checker) profiles() {
	doc, names := c.docs[0], map[string]bool{"lan": true, "ntppool": true}
	for _, p := range c.r.Profiles {
		if p.Name == "lan" || p.Name == "ntppool" {
			doc.Fault(strict.Quote(p.Name)+" is built in: choose another name", "profiles", p.Name)
		}
		names[p.Name] = true
		from, worth := time.Duration(0), 1.0
		for i, b := range p.Bands {
			at := []any{"profiles", p.Name, "bands", i}
			switch {
			case doc.Broken(at...):
			case b.UpTo <= from:
				doc.Fault("wants more than the "+from.String()+" of the band before", append(at, "up_to")...)
			case min(1, b.From) > worth || b.To > b.From:
				doc.Fault("a bigger offset is worth more here than a smaller one", at...)
			}
			from, worth = b.UpTo, b.To
		}
		if p.Beyond > worth && !doc.Broken("profiles", p.Name) {
			doc.Fault("a bigger offset is worth more here than a smaller one", "profiles", p.Name, "beyond")
		}
	}
	c.unknown(doc.Fault, "profile", c.r.Zone.Profile, " in profiles, nor lan or ntppool", names, "zone", "profile")
}
