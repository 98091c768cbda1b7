package zones

import (
	"fmt"
	"slices"
	"time"

	"github.com/timepool/timepool/zones/strict"
)

// Window is a time in which some members are worked on, once or again and
// again: they are drained before it and in it, and in it their scores stand.
type Window struct {
	Name    string        `yaml:",key" form:"label"`
	Members []string      `yaml:"members" form:"domain" doc:"Whom it is about: members by name …"`
	Sites   []string      `yaml:"sites" form:"label" doc:"… and all of these sites …"`
	Tags    []string      `yaml:"tags" form:"tag" doc:"… and all with one of these."`
	Start   string        `yaml:"start,required" pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$" is:"a date and time such as 2026-12-01 22:00" doc:"When it begins for the first time."`
	In      string        `yaml:"in" default:"UTC" doc:"The time zone that start is in: Europe/Berlin. It comes again at the same hour there, summer and winter."`
	For     time.Duration `yaml:"for,required" min:"1m" max:"168h" doc:"How long it is."`
	Every   int           `yaml:"every_days" min:"1" max:"366" doc:"Days from one to the next: 7, 28; once unless given."`
	Drain   time.Duration `yaml:"drain" default:"15m" min:"0s" max:"24h" doc:"How long before it the members are taken out of new answers."`
	Reason  string        `yaml:"reason" max:"200" doc:"For people."`

	start time.Time // Start, in its zone; check sets it
}

// clock is how Start is written.
const clock = "2006-01-02 15:04"

// Has reports whether the window is about m.
func (w *Window) Has(m *Member) bool {
	return slices.Contains(w.Members, m.Name) || slices.Contains(w.Sites, m.Site) ||
		slices.ContainsFunc(w.Tags, func(t string) bool { return slices.Contains(m.Tags, t) })
}

// span returns begin and end of the window that is on at now or comes next, or
// was the last, and the next time that one drains, begins or ends.
func (w *Window) span(now time.Time) (begin, end, change time.Time) {
	n := 0
	if w.Every > 0 { // not yet the one that now may be in
		n = max(0, int(now.Sub(w.start)/(24*time.Hour))/w.Every-1)
	}
	for ; ; n++ {
		y, m, d := w.start.Date()
		begin = time.Date(y, m, d+n*w.Every, w.start.Hour(), w.start.Minute(), 0, 0, w.start.Location())
		end = begin.Add(w.For)
		for _, change = range []time.Time{begin.Add(-w.Drain), begin, end} {
			if change.After(now) {
				return begin, end, change
			}
		}
		if w.Every == 0 {
			return begin, end, time.Time{}
		}
	}
}

// windows holds the maintenance windows against time zones and members.
func (c *checker) windows() {
	doc := c.docs[0]
	for i := range c.r.Maintenance {
		w := &c.r.Maintenance[i]
		at := func(key ...any) []any { return append([]any{"maintenance", w.Name}, key...) }
		zone, err := time.LoadLocation(w.In)
		if err != nil || w.In == "Local" {
			doc.Fault("no time zone "+strict.Quote(w.In)+": wants one such as Europe/Berlin", at("in")...)
		} else if w.start, err = time.ParseInLocation(clock, w.Start, zone); (err != nil || w.start.Format(clock) != w.Start) && !doc.Broken(at("start")...) && w.Start != "" {
			doc.Fault(strict.Quote(w.Start)+" is no date and time that there is", at("start")...)
		}
		if len(w.Members)+len(w.Sites)+len(w.Tags) == 0 && !doc.Broken(at()...) {
			doc.Fault(`wants "members", "sites" or "tags": it is about nobody`, at()...)
		}
		if day := time.Duration(w.Every) * 24 * time.Hour; w.Every > 0 && w.Drain+w.For >= day-time.Hour {
			doc.Fault(fmt.Sprintf("begins again before it is over: it takes %v with its drain", w.Drain+w.For), at("every_days")...)
		}
		c.each(w.Sites, "", func(site string, at ...any) { c.site(doc, site, at...) }, at("sites")...)
		c.each(w.Members, "", c.host, at("members")...)
	}
}
