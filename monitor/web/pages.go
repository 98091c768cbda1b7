package web

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"runtime"
	"slices"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

//go:embed page
var embedded embed.FS

// pages are the parsed templates and the files beside them.
type pages struct {
	Options
	files fs.FS
	set   map[string]*template.Template
}

// parse reads the embedded templates; they were tested, so a fault panics.
func parse(o Options) pages {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err)
	}
	p := pages{o, files, map[string]*template.Template{}}
	for _, name := range []string{"overview", "members", "member", "zone", "node"} {
		p.set[name] = template.Must(template.New("layout.html").Funcs(words).ParseFS(files, "layout.html", "parts.html", "land.html", name+".html"))
	}
	return p
}

// overview is the body of the first page.
type overview struct {
	Families []string // how many are in, by family
	Sites    []group
	Spots    []spot
	Absent   []monitor.Member // who is not handed out and should be, as many as a page takes
	More     int              // how many more of them there are
}

func (p pages) overview(_ *http.Request, v View) (any, error) {
	var o overview
	for i := range v.Members {
		switch m := &v.Members[i]; {
		case verdict(m) != "out" && verdict(m) != "resort":
		case len(o.Absent) == 25:
			o.More++
		default:
			o.Absent = append(o.Absent, *m)
		}
	}
	o.Families = families(v.Members)
	o.Sites = bySite(v)
	o.Spots = spots(o.Sites)
	return o, nil
}

// families counts who is in, by family.
func families(members []monitor.Member) (words []string) {
	for i, name := range []string{"IPv4", "IPv6"} {
		all := slices.DeleteFunc(slices.Clone(members), func(m monitor.Member) bool { return m.Address.Is6() != (i == 1) })
		if len(all) > 0 {
			words = append(words, fmt.Sprintf("%s %d of %d", name, CountIn(all), len(all)))
		}
	}
	return words
}

// group is one site's addresses.
type group struct {
	Name, Country, Continent string // Name "" for members that the registry puts nowhere
	At                       zones.Point
	In                       int
	Members                  []monitor.Member
}

// Verdict is the word for the whole site: in, part, out, or off when nobody
// stands there.
func (g group) Verdict() string {
	switch {
	case len(g.Members) == 0:
		return "off"
	case g.In == len(g.Members):
		return "in"
	case g.In == 0:
		return "out"
	}
	return "part"
}

// bySite groups the members by the registry's sites, empty ones included:
// a site that has lost everybody is what one looks for.
func bySite(v View) []group {
	var groups []group
	at := map[string]int{}
	add := func(site zones.Site) {
		g := group{Name: site.Name, Country: site.Country, Continent: site.Continent, At: site.At}
		if c, ok := zones.FindCountry(site.Country); ok {
			g.Continent = cmp.Or(g.Continent, c.Continent)
			if !g.At.Known {
				g.At = c.At
			}
		}
		at[site.Name] = len(groups)
		groups = append(groups, g)
	}
	for _, site := range v.Registry.Sites {
		add(site)
	}
	for _, m := range v.Members {
		if _, ok := at[m.Site]; !ok {
			add(zones.Site{Name: m.Site})
		}
		g := &groups[at[m.Site]]
		g.Members = append(g.Members, m)
	}
	for i := range groups {
		groups[i].In = CountIn(groups[i].Members)
	}
	return groups
}

// self is what the node's page tells beside its View.
type self struct {
	Go, System string
	Verdicts   []string // on queries, in the order shown
}

func (p pages) node(*http.Request, View) (any, error) {
	return self{
		runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH,
		[]string{"answered", "nodata", "nxdomain", "servfail", "refused", "truncated", "formerr", "dropped"},
	}, nil
}
