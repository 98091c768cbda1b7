package web

import (
	"bytes"
	"cmp"
	"embed"
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
	files fs.FS
	set   map[string]*template.Template
}

// parse reads the embedded templates; they were tested, so a fault panics.
func parse() pages {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err)
	}
	p := pages{files, map[string]*template.Template{}}
	for _, name := range []string{"overview.html", "member.html"} {
		p.set[name] = template.Must(template.New("layout.html").Funcs(words).ParseFS(files, "layout.html", name))
	}
	return p
}

// sheet is what every page's template is given.
type sheet struct {
	View
	Zone    string
	Title   string
	Now     time.Time
	Banners []string

	In, All int     // addresses handed out, addresses in all
	Sites   []group // overview

	Addresses []monitor.Member // member page
	Member    *zones.Member    // the registry's side of it; nil when it has just left
}

// group is one site's rows.
type group struct {
	Site    zones.Site // Name "" for members that the registry puts nowhere
	In      int
	Members []monitor.Member
}

func (p pages) overview(w http.ResponseWriter, v View) {
	s := newSheet(v, "Overview")
	s.Sites = bySite(v)
	p.show(w, http.StatusOK, "overview.html", s)
}

func (p pages) member(w http.ResponseWriter, v View, name string) {
	s := newSheet(v, name)
	s.Addresses = v.named(name)
	if len(s.Addresses) == 0 {
		p.show(w, http.StatusNotFound, "member.html", s)
		return
	}
	if v.Registry != nil {
		for i := range v.Registry.Members {
			if v.Registry.Members[i].Name == name {
				s.Member = &v.Registry.Members[i]
			}
		}
	}
	p.show(w, http.StatusOK, "member.html", s)
}

func newSheet(v View, title string) sheet {
	return sheet{
		View: v, Zone: v.zone(), Title: title, Now: time.Now(), Banners: banners(v),
		In: in(v.Members), All: len(v.Members),
	}
}

// show renders into memory first, so that a fault never leaves half a page.
func (p pages) show(w http.ResponseWriter, code int, name string, s sheet) {
	var page bytes.Buffer
	if err := p.set[name].Execute(&page, s); err != nil {
		http.Error(w, "page "+name+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(page.Bytes())
}

// bySite groups the members by the registry's sites, empty ones included:
// a site that has lost everybody is what one looks for.
func bySite(v View) []group {
	var groups []group
	at := map[string]int{}
	add := func(site zones.Site) {
		at[site.Name] = len(groups)
		groups = append(groups, group{Site: site})
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
