package web

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
)

// words are the templates' functions.
var words = template.FuncMap{
	"chips":   chips,
	"words":   func() []string { return []string{"in", "resort", "out", "drain", "off", "monitor", "fallback"} },
	"least":   func(a, b int) int { return min(a, b) },
	"minus":   func(a, b int) int { return a - b },
	"verdict": func(m monitor.Member) string { return verdict(&m) },
	"seconds": seconds,
	"offset":  offset,
	"ago":     ago,
	"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"signed":  signed,
	"percent": func(f float64) string { return fmt.Sprintf("%.0f %%", 100*f) },
	"glyph":   func(word string) string { return marks[word] },
	"time":    func(t time.Time) string { return t.UTC().Format("2 Jan 15:04") },
	"link":    link,
	"score":   func(f float64) string { return strings.Replace(fmt.Sprintf("%.1f", f), "-", "−", 1) },
}

// chips are links to members, each with its mark; without their names where
// there are many. An overview has thousands, which would take a template long.
func chips(members []monitor.Member) template.HTML {
	var b strings.Builder
	esc := template.HTMLEscapeString
	for i := range members {
		m := &members[i]
		word, hidden, six := verdict(m), "", ""
		if len(members) > 40 {
			hidden = ` class="hidden"`
		}
		if m.Address.Is6() {
			six = "<sup>v6</sup>"
		}
		b.WriteString(`<a class="` + word + `" href="` + esc(link(m.Name)) + `" title="` + m.Address.String() + ": " + esc(m.Why) + `"><span aria-hidden="true">` +
			marks[word] + "</span><span" + hidden + "> " + esc(m.Name) + six + `<span class="hidden"> ` + word + "</span></span></a>\n")
	}
	return template.HTML(b.String())
}

// link is the address of a member's page.
func link(name string) string { return "/members/" + url.PathEscape(name) }

// marks give every verdict a shape, so that colour is never all that tells.
var marks = map[string]string{"in": "●", "resort": "▲", "out": "✕", "drain": "◇", "off": "○", "monitor": "◎", "fallback": "◑", "part": "◐"}

// verdict is the one word about a member, also its CSS class: in, resort (in,
// for want of better), the state its operators gave it, or out.
func verdict(m *monitor.Member) string {
	switch {
	case m.In && m.Standing == "resort":
		return "resort"
	case m.In:
		return "in"
	case m.State != "active" && marks[m.State] != "":
		return m.State
	}
	return "out"
}

// signed is a whole number with a minus sign as typographers have it.
func signed(f float64) string { return strings.Replace(fmt.Sprintf("%.0f", f), "-", "−", 1) }

// offset is a time with its sign: the member's clock is ahead or behind.
func offset(d time.Duration) string { return strings.Replace(monitor.OffsetText(d), "-", "−", 1) }

// seconds is a time that has no sign: 12 µs, 3.4 ms, 1.5 s.
func seconds(d time.Duration) string { return strings.TrimPrefix(offset(d), "+") }

// ago is the time from t to now in its largest unit: 45 s, 12 min, 5 h, 9 d.
func ago(now, t time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case t.IsZero():
		return "never"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}
