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
	Found, Page            int
	Pages                  []int
}

// orders are the columns that the list sorts by.
var orders = []struct {
	key, name, class string
	by               func(a, b *monitor.Member) int
}{
	{"member", "member", "", func(a, b *monitor.Member) int { return cmp.Compare(a.Name, b.Name) }},
	{"verdict", "verdict", "", func(a, b *monitor.Member) int { return cmp.Compare(verdict(a), verdict(b)) }},
	{"site", "site", "", func(a, b *monitor.Member) int { return cmp.Compare(a.Site, b.Site) }},
	{"score", "score", "n", func(a, b *monitor.Member) int { return cmp.Compare(a.Score, b.Score) }},
	{"offset", "offset", "n", func(a, b *monitor.Member) int { return cmp.Compare(a.Offset.Abs(), b.Offset.Abs()) }},
	{"rtt", "round trip", "n", func(a, b *monitor.Member) int { return cmp.Compare(a.RTT, b.RTT) }},
	{"since", "since", "n", func(a, b *monitor.Member) int { return b.Since.Compare(a.Since) }},
}

func (p pages) members(r *http.Request, v View) (any, error) {
	q := r.URL.Query()
	l := list{Q: strings.TrimSpace(q.Get("q")), Site: q.Get("site"), Verdict: q.Get("verdict"), Sort: q.Get("sort"), Down: q.Get("down") == "1"}
	for i := range v.Members {
		m := &v.Members[i]
		if l.takes(m) {
			l.Rows = append(l.Rows, *m)
		}
		l.Sites, l.Verdicts = append(l.Sites, m.Site), append(l.Verdicts, verdict(m))
	}
	l.Sites, l.Verdicts = distinct(l.Sites), distinct(l.Verdicts)
	for _, o := range orders {
		if o.key == l.Sort {
			slices.SortStableFunc(l.Rows, func(a, b monitor.Member) int {
				if l.Down {
					a, b = b, a
				}
				return o.by(&a, &b)
			})
		}
	}
	l.Found = len(l.Rows)
	for n := 1; n == 1 || (n-1)*pageLength < l.Found; n++ {
		l.Pages = append(l.Pages, n)
	}
	l.Page, _ = strconv.Atoi(q.Get("page"))
	l.Page = min(max(l.Page, 1), len(l.Pages))
	l.Rows = l.Rows[(l.Page-1)*pageLength : min(l.Page*pageLength, l.Found)]
	return l, nil
}

// distinct sorts words and leaves out the empty ones and those that come twice.
func distinct(words []string) []string {
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(s string) bool { return s == "" })
}

// takes reports whether m is what the filters ask for.
func (l *list) takes(m *monitor.Member) bool {
	if l.Site != "" && m.Site != l.Site || l.Verdict != "" && verdict(m) != l.Verdict {
		return false
	}
	for _, word := range strings.Fields(strings.ToLower(l.Q)) {
		if !strings.Contains(strings.ToLower(m.Name+" "+m.Address.String()+" "+m.Why), word) {
			return false
		}
	}
	return true
}

// Link is the address of another page of the list.
func (l list) Link(page int) string { return l.link(l.Sort, l.Down, page) }

func (l list) link(sort string, down bool, page int) string {
	q := url.Values{}
	for key, value := range map[string]string{"q": l.Q, "site": l.Site, "verdict": l.Verdict, "sort": sort} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if down {
		q.Set("down", "1")
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return "/members?" + q.Encode()
}

// column is a head of the list: Order is for assistive technology, Link sorts by
// the column or, when the list is, the other way round.
type column struct{ Name, Class, Order, Link string }

// Columns are the heads.
func (l list) Columns() (all []column) {
	for _, o := range orders {
		c := column{o.name, o.class, "none", l.link(o.key, o.key == l.Sort && !l.Down, 1)}
		if o.key == l.Sort {
			c.Order = map[bool]string{false: "ascending", true: "descending"}[l.Down]
		}
		all = append(all, c)
	}
	return all
}

// portrait is the body of a member's page.
type portrait struct {
	Name      string
	Member    *zones.Member // the registry's side of it; nil when it has just left
	Span      string        // shown; "" without a history
	Spans     []span
	Addresses []address
}

type address struct {
	Told
	Charts *charts // nil without a history
	Broken error   // why it cannot be read
}

func (p pages) member(r *http.Request, v View) (any, error) {
	now := time.Now()
	b := portrait{Name: r.PathValue("name"), Spans: spans}
	found, err := v.told(b.Name, now)
	for i := range v.Registry.Members {
		if m := &v.Registry.Members[i]; found != nil && m.Name == found[0].Name {
			b.Member = m
		}
	}
	for _, t := range found {
		a := address{Told: t}
		if p.History != nil {
			if a.Charts, a.Broken = newCharts(p.History, t.Address, r.FormValue("span"), now); a.Charts != nil {
				b.Span = cmp.Or(b.Span, a.Charts.Span.Key)
			}
		}
		b.Addresses = append(b.Addresses, a)
	}
	return b, err
}
