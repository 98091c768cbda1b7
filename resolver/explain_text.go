package resolver

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/timepool/timepool/zones"
)

var foundBy = [...]string{zones.FromDefault: "default", zones.FromGeoIP: "geoip", zones.FromRegistry: "registry"}

// whereOf names a place: "fra, de, europe, at 50.11 8.68".
func whereOf(p zones.Place) string {
	var parts []string
	for _, part := range []string{p.Site, p.Country, p.Continent} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if p.At.Known {
		parts = append(parts, fmt.Sprintf("at %.2f %.2f", p.At.Lat, p.At.Lon))
	}
	if len(parts) == 0 {
		return "nowhere known"
	}
	return strings.Join(parts, ", ")
}

// mostLines is how many addresses of one kind and family TXT records name.
const mostLines = 24

// Lines is e in words, with at most so many addresses of one kind and family.
// Each line is whole by itself, as a resolver may hand TXT records on in any
// order.
func (e *Explanation) Lines(most int) []string {
	what := "source"
	if e.Subnet {
		what = "client subnet"
	}
	lines := []string{
		fmt.Sprintf("%s %s is %s: by %s, the same for all of %s", what, e.Client, e.Where, e.Found, e.Prefix),
	}
	if e.Asked != "" {
		lines = append(lines, fmt.Sprintf("%s: the name asks for %s, where the client is makes no difference", e.Name, e.Asked))
	}
	if e.Pool != "" {
		lines = append(lines, fmt.Sprintf("%s: the members of pool %s", e.Name, e.Pool))
	}
	if e.Number >= 0 {
		lines = append(lines, fmt.Sprintf("%s: the members behind the number %d, or all where they are none or cannot be split", e.Name, e.Number))
	}
	for i := range e.Types {
		lines = e.Types[i].lines(lines, most)
	}
	return lines
}

func (c *Choice) lines(lines []string, most int) []string {
	say := func(format string, args ...any) { lines = append(lines, c.Type+" "+fmt.Sprintf(format, args...)) }
	if c.Answers == 0 {
		say("nobody may be handed out")
	}
	if c.Resort {
		say("last resort: nobody is eligible, these merely fell silent")
	}
	for i, r := range c.Rings {
		if r.Widened != "" {
			say("ring %d widened: %s", i+1, r.Widened)
		}
		for n, m := range r.Members {
			if n == most {
				say("ring %d: and %d more", i+1, len(r.Members)-n)
				break
			}
			say("ring %d: %s %s, %s, %.0f km, weight %d, in %.1f%% of answers, score %.1f",
				i+1, m.Member, m.Address, siteName(m.Site), m.Km, m.Weight, 100*m.Share, m.Score)
		}
	}
	for n, m := range c.Out {
		if n == most {
			say("out: and %d more", len(c.Out)-n)
			break
		}
		say("out: %s %s, %s: %s", m.Member, m.Address, siteName(m.Site), m.Why)
	}
	if n := len(c.Further); n > 0 {
		why, _, _ := strings.Cut(c.Further[0].Why, ":")
		say("%s: %d others, the nearest is %s, %.0f km", why, n, c.Further[0].Member, c.Further[0].Km)
	}
	return lines
}

func siteName(site string) string { return cmp.Or(site, "no site") }
