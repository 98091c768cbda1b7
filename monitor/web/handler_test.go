package web

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// hostile is what a careless or wicked hand could write into a registry, or a
// member's refid into a reason.
const hostile = `<script>alert("x")</script>&'`

// pool is a view of three sites, one of them empty, with a member of every
// verdict and one whose every text is hostile.
func pool() View {
	now := time.Now()
	reg := &zones.Registry{
		Zone: zones.Zone{Name: "pool.example"},
		Sites: []zones.Site{
			{Name: "fra", Country: "de", Continent: "europe"},
			{Name: "nyc", Country: "us", Continent: "north-america"},
			{Name: "tyo", Country: "jp", Continent: "asia"},
		},
		Members: []zones.Member{{Name: "ntp2.fra", Site: "fra", State: zones.Drain, Reason: hostile, Tags: []string{"dmz", "lab"}, Line: "pool.yaml:41"}},
	}
	addr := netip.MustParseAddr
	return View{
		Registry: reg,
		Members: []monitor.Member{
			{Name: "ntp1.fra", Address: addr("10.16.0.11"), Site: "fra", State: "active", Netspeed: 1000, Score: 19.9532, In: true, Standing: "in",
				Since: now.Add(-3 * time.Hour), Checked: now.Add(-20 * time.Second), Outcome: "answered", Why: "offset 12 µs",
				Offset: -12 * time.Microsecond, RTT: 340 * time.Microsecond, Stratum: 1, RefID: "GPS", Timed: true},
			{Name: "ntp1.fra", Address: addr("fd12:3456:10::11"), Site: "fra", State: "active", Score: -4.5, Standing: "out", Outcome: "silent", Why: "no answer within 3 s", Found: "no answer", Checked: now.Add(-time.Minute), Sent: 3, Lost: 3},
			{Name: "ntp2.fra", Address: addr("10.16.0.12"), Site: "fra", State: "drain", Score: 20, Standing: "in", Why: "drained: CHG-4711"},
			{Name: "ntp1.tyo", Address: addr("10.32.0.11"), Site: "tyo", State: "active", Score: 7, In: true, Standing: "resort", Why: "fell silent"},
			{Name: hostile, Address: addr("10.32.0.12"), Site: hostile, State: hostile, Why: hostile, RefID: hostile, Outcome: hostile, RTT: time.Millisecond, Timed: true},
		},
		Status: Status{Zone: "pool.example", Generation: 7, Serial: 2026112201, Version: "v0.1.0-test", Started: now.Add(-50 * time.Hour), Addresses: 5, In: 2},
	}
}

// script is the one that pages have, and need not have.
const script = `<script src="/live.js" defer></script>`

// get asks the handler as a visitor of host would.
func get(t *testing.T, v View, method, host, path string, hosts ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	Handler(func() View { return v }, Options{Hosts: hosts}).ServeHTTP(w, r)
	return w
}

func page(t *testing.T, v View, path string) string {
	t.Helper()
	w := get(t, v, "GET", "127.0.0.1:8053", path)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestOverviewShowsEverybody(t *testing.T) {
	v := pool()
	text := page(t, v, "/")
	for _, m := range v.Members {
		if !strings.Contains(text, `title="`+m.Address.String()+`: `) {
			t.Errorf("%s is missing", m.Address)
		}
	}
	for _, want := range []string{
		"<title>Overview – pool.example</title>", `href="/members/ntp1.fra"`, "no answer within 3 s", "fell silent", ">nyc</a>",
		"No member stands here.", "1 of 3 in", "2 of 5 addresses", "IPv4 2 of 4", "IPv6 0 of 1", "2026112201", "v0.1.0-test", "2 d",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, verdict := range []string{"in", "resort", "out", "drain"} {
		if !strings.Contains(text, `class="`+verdict+`" href="/members/`) || !strings.Contains(text, `<span aria-hidden="true">`+marks[verdict]) {
			t.Errorf("nobody shows as %s with its mark", verdict)
		}
	}
	for _, spot := range []string{"fra: 1 of 3 in", "nyc: 0 of 0 in", "tyo: 1 of 1 in"} {
		if strings.Count(text, spot) < 2 { // the map's description, and the spot's title
			t.Errorf("the map lacks %q", spot)
		}
	}
}

func TestMemberPageTellsWhy(t *testing.T) {
	text := page(t, pool(), "/members/ntp1.fra")
	for _, want := range []string{"10.16.0.11", "fd12:3456:10::11", "offset 12 µs", "no answer within 3 s", "stratum 1, leap 0, refid GPS", "ago: no answer, 3 of 3 questions unanswered", "<li>checks: 0, 0 of them not good"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "10.16.0.12") {
		t.Error("another member's address stands on the page")
	}
	text = page(t, pool(), "/members/ntp2.fra")
	for _, want := range []string{`<a href="/members?site=fra">fra</a>`, "Tags dmz, lab.", "pool.yaml:41", "Reason: &lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if w := get(t, pool(), "GET", "localhost", "/members/nobody"); w.Code != 404 || !strings.Contains(w.Body.String(), "No member has this name") {
		t.Errorf("an unknown member: %d %s", w.Code, w.Body)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	v := pool()
	v.Monitor.Warning, v.Waiting, v.Zone, v.Version = hostile, hostile, hostile, hostile
	for _, path := range []string{"/", "/members", "/node", "/zone", "/members/ntp2.fra", "/members/%3Cscript%3Ealert(%22x%22)%3C%2Fscript%3E&'"} {
		text := strings.Replace(page(t, v, path), script, "", 1)
		if strings.Contains(text, "<script") || strings.Contains(text, hostile) {
			t.Errorf("%s carries live markup:\n%s", path, text)
		}
		if !strings.Contains(text, "&lt;script&gt;") {
			t.Errorf("%s does not show the text at all", path)
		}
	}
	// The overview's own link must lead to that member and nowhere else.
	_, rest, _ := strings.Cut(page(t, v, "/"), `href="/members/%3C`)
	link, _, _ := strings.Cut(rest, `"`)
	link = strings.NewReplacer("&#39;", "'", "&amp;", "&").Replace(link)
	if !strings.Contains(page(t, v, "/members/%3C"+link), "10.32.0.12") {
		t.Errorf("the link /members/%%3C%s leads elsewhere", link)
	}
}

func TestBanners(t *testing.T) {
	calm := pool()
	if strings.Contains(page(t, calm, "/"), `class="banner"`) {
		t.Error("a calm pool shows a banner")
	}
	for want, change := range map[string]func(*View){
		"Nobody: A of dmz":    func(v *View) { v.Notices = []string{"Frozen.", "Nobody: A of dmz"} },
		"Not ready: no round": func(v *View) { v.Waiting = "no round" },
	} {
		v := pool()
		change(&v)
		for _, path := range []string{"/", "/members/ntp1.fra"} {
			if text := page(t, v, path); !strings.Contains(text, `class="banner"`) || !strings.Contains(text, want) {
				t.Errorf("%s shows no banner with %q", path, want)
			}
		}
	}
}

func TestEmptyRegistry(t *testing.T) {
	v := View{Registry: &zones.Registry{}, Status: Status{Version: "v0", Started: time.Now(), Waiting: "no round yet"}}
	for _, path := range []string{"/", "/members", "/zone", "/node", "/api/v1/status"} {
		page(t, v, path)
	}
	if text := page(t, v, "/api/v1/members"); text != "[]\n" {
		t.Errorf("no members are %q, want an empty array", text)
	}
	if w := get(t, v, "GET", "localhost", "/readyz"); w.Code != 503 || w.Body.String() != "no round yet\n" {
		t.Errorf("readyz: %d %q", w.Code, w.Body)
	}
	if w := get(t, v, "GET", "localhost", "/healthz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("healthz: %d %q", w.Code, w.Body)
	}
	v.Monitor = monitor.Status{Frozen: true, Warning: "frozen: odd one out"}
	if w := get(t, v, "GET", "localhost", "/healthz"); w.Code != 200 || w.Body.String() != "ok, but frozen: odd one out\n" {
		t.Errorf("healthz of a frozen node: %d %q", w.Code, w.Body)
	}
}

func TestAPI(t *testing.T) {
	v := pool()
	var all, one []monitor.Member
	decode(t, page(t, v, "/api/v1/members"), &all)
	if len(all) != len(v.Members) || all[4].Why != hostile || all[0].Score != 19.9532 {
		t.Errorf("members came back as %+v", all)
	}
	decode(t, page(t, v, "/api/v1/members/ntp1.fra"), &one)
	if !reflect.DeepEqual(one, all[:2]) {
		t.Errorf("one member: %+v, want %+v", one, all[:2])
	}
	var told []Told
	decode(t, page(t, v, "/api/v1/members/"+all[0].Address.String()), &told)
	if len(told) != 1 || !reflect.DeepEqual(told[0].Member, all[0]) || !strings.HasPrefix(told[0].Says[0], "ntp1.fra "+all[0].Address.String()) {
		t.Errorf("one address: %+v", told)
	}
	w := get(t, v, "GET", "localhost", "/api/v1/members/nobody")
	if w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("an unknown member: %d %s", w.Code, w.Body)
	}

	v.Monitor = monitor.Status{Frozen: true, Warning: "odd one out"}
	v.Waiting = "first round"
	var s Status
	decode(t, page(t, v, "/api/v1/status"), &s)
	if s.Zone != "pool.example" || s.Serial != 2026112201 || s.Waiting != "first round" || s.In != 2 || !s.Monitor.Frozen || s.Monitor.Warning != "odd one out" {
		t.Errorf("%+v", s)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

func TestEveryPathReadsOnly(t *testing.T) {
	for _, path := range []string{"/", "/members/ntp1.fra", "/api/v1/members", "/api/v1/status", "/style.css", "/healthz", "/readyz", "/nowhere"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"} {
			if w := get(t, pool(), method, "localhost", path); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

func TestHost(t *testing.T) {
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8053": 200, "[::1]:8053": 200, "[2001:db8::1]": 200, "10.1.2.3:80": 200,
		"localhost": 200, "LocalHost:8053": 200, "localhost.": 200,
		"timepool.corp.example": 200, "TimePool.Corp.Example.:8053": 200,
		"": 421, "evil.example": 421, "evil.example:8053": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421,
		"corp.example": 421, "0x7f000001": 421, "2130706433": 421, "127.1": 421, ":8053": 421,
	} {
		for _, path := range []string{"/", "/api/v1/members", "/healthz", "/style.css"} {
			if w := get(t, pool(), "GET", host, path, "timepool.corp.example"); w.Code != want {
				t.Errorf("Host %q, %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/members/nobody": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/icon.svg": "image/svg+xml", "/api/v1/members": "application/json", "/healthz": "text/plain; charset=utf-8", "/nowhere": "text/plain; charset=utf-8",
	} {
		h := get(t, pool(), "GET", "localhost", path).Header()
		if h.Get("Content-Type") != kind {
			t.Errorf("%s is %q, want %q", path, h.Get("Content-Type"), kind)
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s lacks a header: %v", path, h)
		}
	}
}

// TestPagesNeedNobodyElse holds that a page loads nothing that the policy
// would block: no script, no inline style, no other origin.
func TestPagesNeedNobodyElse(t *testing.T) {
	for _, path := range []string{"/", "/members", "/members/ntp1.fra", "/zone", "/node"} {
		text := strings.Replace(page(t, pool(), path), script, "", 1)
		for _, bad := range []string{"<script", "<style", " style=", "http://", "https://", "=\"//", " onclick"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
	}
}

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Handler(pool, Options{}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.IdleTimeout <= 0 || s.WriteTimeout <= 0 {
		t.Error("the server waits for slow clients for ever")
	}
	r, err := http.Head("http://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != 200 || len(body) != 0 {
		t.Errorf("HEAD /: %s with %d octets", r.Status, len(body))
	}
	big, err := http.NewRequest("GET", "http://"+l.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	big.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	if r, err := http.DefaultClient.Do(big); err == nil {
		defer r.Body.Close()
		if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("64 KiB of headers: %s", r.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
