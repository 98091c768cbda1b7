package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// browser runs headless Chromium on a page and returns its DOM as it is once
// loaded. Whatever the page says on the console is a fault: what its security
// policy refused, a script that failed.
func browser(t *testing.T, page string, flags ...string) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium (Debian: chromium)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	flags = append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir(), "--blink-settings=preferredColorScheme=1",
	}, flags...)
	c := exec.CommandContext(ctx, path, append(flags, page)...)
	c.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("chromium %s: %v\n%s", page, err, &errs)
	}
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("%s says: %s", page, line)
		}
	}
	return out.String()
}

// demonstration runs `timepool demo` and returns where its pages are, and a way
// to call its subcommands.
func demonstration(t *testing.T) (pages string, demo func(args ...string)) {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("needs chromium (Debian: chromium)")
	}
	bin, dns, http := builtTimepool(t), freePort(t), freePort(t)
	env := append(os.Environ(), "TMPDIR="+t.TempDir(), "NO_COLOR=1")
	c := exec.Command(bin, "demo", "--dns", dns, "--http", http)
	var said bytes.Buffer
	c.Env, c.Stderr = env, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGINT)
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, &said)
		}
	})
	demo = func(args ...string) {
		t.Helper()
		c := exec.Command(bin, append(append([]string{"demo"}, args...), "--dns", dns)...)
		c.Env = env
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("demo %v: %v\n%s", args, err, out)
		}
	}
	return "http://" + http, demo
}

// shows reads a page until it holds what the pattern says.
func shows(t *testing.T, page, pattern string) {
	t.Helper()
	text, is := "", regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		reply, err := http.Get(page)
		if err != nil {
			continue // not up yet
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if text = string(body); err == nil && is.MatchString(text) {
			return
		}
	}
	t.Fatalf("%s never says %s:\n%s", page, pattern, text)
}

// A newcomer sees on the pages a member break, fall, leave, return, and why.
func TestNewcomerSeesAMemberFall(t *testing.T) {
	pages, demo := demonstration(t)
	member := pages + "/members/ntp1.fra"
	holds := func(page string, patterns ...string) {
		t.Helper()
		text := browser(t, page, "--dump-dom")
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(text) {
				t.Errorf("%s does not show %s:\n%s", page, p, text)
			}
		}
	}
	shows(t, pages+"/", `<a class="in" href="/members/ntp1.fra"`)
	holds(pages+"/", `<a class="in" href="/members/ntp1.fra"`, `Map of sites`, `fra: [1-4] of 5 in`, `never answered`)

	demo("break", "ntp1.fra", "--offset", "300ms")
	shows(t, member, `(?s)verdict out".*verdict out"`) // both addresses
	holds(member, `verdict out"`, `fault: wrong: its time is not right: offset \+300 ms`, `back: in about .* if every check is good`,
		`<path class="wrong" d="M[^"]+"`, `<path class="score" d="M[^"]+"`, `[1-9][0-9]* measured wrong`)
	holds(pages+"/", `[1-9] of 13 in`, `Not as they should be</h2>\s*<ul class="absent">\s*<li>[^\n]*ntp1.fra`, `<a class="out" href="/members/ntp1.fra"`)
	holds(pages+"/zone?name=fra", `<summary>\d out</summary>[^\n]*`, `ntp1.fra</a> <span class="address">127.16.0.11</span> <small>[^<]*offset \+300 ms`)

	demo("heal", "ntp1.fra")
	shows(t, member, `(?s)verdict in".*verdict in"`)
	holds(member, `verdict in"`, `<path class="wrong" d="M[^"]+"`) // and what was is still drawn
	holds(pages+"/node", `own clock`, `<dt>answered</dt>`)
}

// The pages fit a width of 360 px, are light or dark as the visitor is, and
// are not empty.
func TestPagesInABrowser(t *testing.T) {
	pages, _ := demonstration(t)
	shows(t, pages+"/", `<a class="in" href="/members/ntp1.fra"`)
	all := []string{"/", "/members", "/members/ntp3.fra", "/zone", "/node"}

	// The pages frame themselves nowhere, so they are framed through a proxy.
	target, err := url.Parse(pages)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ModifyResponse: func(r *http.Response) error {
		r.Header.Set("Content-Security-Policy", strings.Replace(r.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
		return nil
	}}
	framed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/frames" {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel=icon href=/icon.svg><body>`)
		for _, page := range all {
			fmt.Fprintf(w, `<iframe src="%s" width="360" height="800" style="border:0"></iframe>`, page)
		}
		fmt.Fprint(w, `<pre id=report></pre><script>addEventListener("load", () => {
for (const f of document.querySelectorAll("iframe")) {
  const d = f.contentDocument, wide = [...d.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 360.5 && !e.closest(".wide-table, .hidden, svg")).slice(0, 3);
  report.textContent += f.getAttribute("src") + " width " + d.documentElement.scrollWidth + " links " + d.links.length + " h1 " + d.querySelectorAll("h1").length +
    " unnamed " + [...d.querySelectorAll("a, button, input:not([type=hidden]), select")].filter(e => !(e.textContent.trim() || e.labels?.length || e.getAttribute("aria-label"))).length + " over " + wide.map(e => e.outerHTML.slice(0, 80)) + ";\n";
}})</script>`)
	}))
	defer framed.Close()
	text := browser(t, framed.URL+"/frames", "--dump-dom", "--window-size=2000,1000")
	for _, page := range all {
		if !regexp.MustCompile(regexp.QuoteMeta(page) + ` width 360 links [1-9]\d* h1 1 unnamed 0 over ;`).MatchString(text) {
			_, report, _ := strings.Cut(text, "report")
			t.Errorf("%s at 360 px: %s", page, report)
		}
	}

	dir := os.Getenv("TIMEPOOL_SCREENSHOTS") // to look at them
	if dir == "" {
		dir = t.TempDir()
	}
	for i, page := range []string{"/"} {
		var bright [2]float64
		for scheme := range bright { // 0 is dark
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.png", i, scheme))
			browser(t, pages+page, "--screenshot="+path, "--window-size=1280,900", fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme))
			var shades int
			if bright[scheme], shades = looks(t, path); shades < 100 {
				t.Errorf("%s shows only %d colours", page, shades)
			}
		}
		if bright[0] > 0.25 || bright[1] < 0.75 {
			t.Errorf("%s: brightness %.2f in the dark, %.2f in the light", page, bright[0], bright[1])
		}
	}
}

// looks returns the mean brightness of a screenshot, 0 to 1, and how many
// colours are in it.
func looks(t *testing.T, path string) (bright float64, colours int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shot, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]bool{}
	b := shot.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, blue, _ := shot.At(x, y).RGBA()
			seen[[3]uint32{r, g, blue}] = true
			bright += float64(r+g+blue) / (3 * 0xffff)
		}
	}
	return bright / float64(b.Dx()*b.Dy()), len(seen)
}
