package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// pageLength is how many addresses the list shows at once.
const pageLength = 200

// list is the body of the members' page: what the query asks for.
type list struct {
	Q, Site, Verdict, Sort string
	Down                   bool // sorted from the largest
	Sites, Verdicts        []string
	Rows                   []monitor.Member
	Found, Page, Pages     int
}

// orders are the columns that the list sorts by.
var orders = map[string]func(a, b monitor.Member) int{
	"member":  func(a, b monitor.Member) int { return cmp.Compare(a.Name, b.Name) },
	"address": func(a, b monitor.Member) int { return a.Address.Compare(b.Address) },
	"site":    func(a, b monitor.Member) int { return cmp.Compare(a.Site, b.Site) },
	"verdict": func(a, b monitor.Member) int { return cmp.Compare(verdict(a), verdict(b)) },
	"score":   func(a, b monitor.Member) int { return cmp.Compare(a.Score, b.Score) },
	"offset":  func(a, b monitor.Member) int { return cmp.Compare(a.Offset.Abs(), b.Offset.Abs()) },
	"rtt":     func(a, b monitor.Member) int { return cmp.Compare(a.RTT, b.RTT) },
	"since":   func(a, b monitor.Member) int { return b.Since.Compare(a.Since) },
}

func (p pages) members(w http.ResponseWriter, r *http.Request, v View) {
	q := r.URL.Query()
	l := list{Q: strings.TrimSpace(q.Get("q")), Site: q.Get("site"), Verdict: q.Get("verdict"), Sort: q.Get("sort"), Down: q.Get("down") == "1"}
	for _, m := range v.Members {
		if l.Sites = append(l.Sites, m.Site); l.takes(&m) {
			l.Rows = append(l.Rows, m)
		}
		l.Verdicts = append(l.Verdicts, verdict(m))
	}
	for _, names := range []*[]string{&l.Sites, &l.Verdicts} {
		slices.Sort(*names)
		*names = slices.DeleteFunc(slices.Compact(*names), func(s string) bool { return s == "" })
	}
	if order := orders[l.Sort]; order != nil {
		slices.SortStableFunc(l.Rows, func(a, b monitor.Member) int {
			if l.Down {
				a, b = b, a
			}
			return order(a, b)
		})
	}
	l.Found = len(l.Rows)
	l.Pages = max(1, (l.Found+pageLength-1)/pageLength)
	l.Page, _ = strconv.Atoi(q.Get("page"))
	l.Page = min(max(l.Page, 1), l.Pages)
	l.Rows = l.Rows[(l.Page-1)*pageLength : min(l.Page*pageLength, l.Found)]
	p.show(w, http.StatusOK, "members", "Members", v, l)
}

// takes reports whether m is what the filters ask for.
func (l *list) takes(m *monitor.Member) bool {
	if l.Site != "" && m.Site != l.Site || l.Verdict != "" && verdict(*m) != l.Verdict {
		return false
	}
	for _, word := range strings.Fields(strings.ToLower(l.Q)) {
		if !strings.Contains(strings.ToLower(m.Name+" "+m.Address.String()+" "+m.Why), word) {
			return false
		}
	}
	return true
}

// Link is the list's address with the order turned to a column, or round when
// it is by that one already; or with another page.
func (l list) Link(sort string, page int) string {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("q", l.Q)
	set("site", l.Site)
	set("verdict", l.Verdict)
	down := l.Down
	if sort == "" {
		sort = l.Sort
	} else {
		down = sort == l.Sort && !down
	}
	set("sort", sort)
	if down {
		q.Set("down", "1")
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return "/members?" + q.Encode()
}

// Order tells assistive technology how a column is sorted.
func (l list) Order(sort string) string {
	switch {
	case sort != l.Sort:
		return "none"
	case l.Down:
		return "descending"
	}
	return "ascending"
}

// portrait is the body of a member's page.
type portrait struct {
	Name      string
	Member    *zones.Member // the registry's side of it; nil when it has just left
	Span      string        // as asked for
	Spans     []span
	Addresses []address
}

type address struct {
	monitor.Member
	Charts *charts // nil without a history
	Broken error   // why it cannot be read
}

func (p pages) member(w http.ResponseWriter, r *http.Request, v View) {
	name, key := r.PathValue("name"), r.URL.Query().Get("span")
	b := portrait{Name: name, Span: key, Spans: spans}
	found := v.named(name)
	if len(found) == 0 {
		p.show(w, http.StatusNotFound, "member", name, v, b)
		return
	}
	if v.Registry != nil {
		if i := slices.IndexFunc(v.Registry.Members, func(m zones.Member) bool { return m.Name == name }); i >= 0 {
			b.Member = &v.Registry.Members[i]
		}
	}
	for _, m := range found {
		a := address{Member: m}
		if p.History != nil {
			a.Charts, a.Broken = newCharts(p.History, m.Address, key, time.Now())
		}
		b.Addresses = append(b.Addresses, a)
	}
	p.show(w, http.StatusOK, "member", name, v, b)
}
