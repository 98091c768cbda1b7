package web

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

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

// sheet is what every page's template is given; Body is the page's own.
type sheet struct {
	View
	Zone    string
	Title   string
	Tab     string // which of the pages in the head this is
	Now     time.Time
	Banners []string
	In, All int // addresses handed out, addresses in all
	Body    any
}

// show renders into memory first, so that a fault never leaves half a page.
func (p pages) show(w http.ResponseWriter, code int, name, title string, v View, body any) {
	s := sheet{
		View: v, Zone: v.zone(), Title: title, Tab: name, Now: time.Now(), Banners: banners(v),
		In: in(v.Members), All: len(v.Members), Body: body,
	}
	var page bytes.Buffer
	if err := p.set[name].Execute(&page, s); err != nil {
		http.Error(w, "page "+name+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(page.Bytes())
}

// overview is the body of the first page.
type overview struct {
	Families []string // how many are in, by family
	Sites    []group
	Spots    []spot
	Absent   []monitor.Member // who is not handed out and should be, as many as a page takes
	More     int              // how many more of them there are
}

func (p pages) overview(w http.ResponseWriter, _ *http.Request, v View) {
	var o overview
	for _, m := range v.Members {
		if verdict(m) != "out" && verdict(m) != "resort" {
			continue
		}
		if len(o.Absent) == 25 {
			o.More++
			continue
		}
		o.Absent = append(o.Absent, m)
	}
	o.Families = families(v.Members)
	o.Sites = bySite(v)
	o.Spots = spots(o.Sites)
	p.show(w, http.StatusOK, "overview", "Overview", v, o)
}

// families counts who is in, by family.
func families(members []monitor.Member) (words []string) {
	var in, all [2]int
	for _, m := range members {
		f := 0
		if m.Address.Unmap().Is6() {
			f = 1
		}
		if all[f]++; m.In {
			in[f]++
		}
	}
	for f, name := range []string{"IPv4", "IPv6"} {
		if all[f] > 0 {
			words = append(words, fmt.Sprintf("%s %d of %d", name, in[f], all[f]))
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
	if v.Registry != nil {
		for _, site := range v.Registry.Sites {
			add(site)
		}
	}
	for _, m := range v.Members {
		if _, ok := at[m.Site]; !ok {
			add(zones.Site{Name: m.Site})
		}
		g := &groups[at[m.Site]]
		g.Members = append(g.Members, m)
	}
	for i := range groups {
		groups[i].In = in(groups[i].Members)
	}
	return groups
}

// banners are the sentences above everything else, worst first.
func banners(v View) []string {
	var lines []string
	if v.Ready != nil {
		lines = append(lines, "Not ready: "+v.Ready.Error()+".")
	}
	if v.Status.Frozen {
		why := cmp.Or(strings.TrimPrefix(v.Status.Warning, "frozen: "), "this node does not trust its own clock or network")
		lines = append(lines, "Frozen, so that no score moves: "+why+".")
	}
	switch {
	case len(v.Notices) > 0:
		lines = append(lines, v.Notices...)
	case v.Status.Resort:
		lines = append(lines, "Last resort: where nobody is in, members that merely fell silent are handed out.")
	case len(v.Members) > 0 && in(v.Members) == 0:
		lines = append(lines, "Nobody is handed out: pool names are answered with SERVFAIL.")
	}
	if v.Status.Booting {
		lines = append(lines, "Booting: nobody has ever reached a score of 10, so members whose every check was good are handed out early.")
	}
	if v.Status.Warning != "" && !v.Status.Frozen {
		lines = append(lines, v.Status.Warning)
	}
	return lines
}
