package web

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What changes something is let through over TLS with the token alone.
func TestWriting(t *testing.T) {
	var called string
	o := Options{
		Control: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = r.Method + " " + r.URL.Path
			say(w, 200, "done")
		}),
		Token: func() (string, error) { return "correct horse battery", nil },
	}
	lost, empty, none := o, o, Options{}
	lost.Token = func() (string, error) { return "correct horse battery", errors.New("no such file") }
	empty.Token = func() (string, error) { return "", nil }
	for _, c := range []struct {
		o            Options
		secure       bool
		method, path string
		auth         string
		want         int
	}{
		{o, true, "POST", "/api/v1/reload", "Bearer correct horse battery", 200},
		{o, true, "DELETE", "/api/v1/override", "Bearer correct horse battery", 200},
		{o, false, "POST", "/api/v1/reload", "Bearer correct horse battery", 403},
		{o, true, "POST", "/api/v1/reload", "Bearer correct horse batterz", 401},
		{o, true, "POST", "/api/v1/reload", "Bearer ", 401},
		{o, true, "POST", "/api/v1/reload", "correct horse battery", 401},
		{o, true, "POST", "/api/v1/reload", "", 401},
		{o, true, "PUT", "/api/v1/reload", "Bearer correct horse battery", 405},
		{o, true, "POST", "/members", "Bearer correct horse battery", 405},
		{o, true, "POST", "/v1/reload", "Bearer correct horse battery", 405},
		{lost, true, "POST", "/api/v1/reload", "Bearer correct horse battery", 401},
		{empty, true, "POST", "/api/v1/reload", "Bearer ", 401},
		{none, true, "POST", "/api/v1/reload", "Bearer correct horse battery", 405},
	} {
		called = ""
		w, r := httptest.NewRecorder(), httptest.NewRequest(c.method, c.path, nil)
		r.Host = "localhost"
		if r.TLS = nil; c.secure {
			r.TLS = &tls.ConnectionState{}
		}
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
		}
		Handler(pool, c.o).ServeHTTP(w, r)
		if w.Code != c.want || (called != "") != (c.want == 200) {
			t.Errorf("%s %s, TLS %v, %q: %d and called %q, want %d", c.method, c.path, c.secure, c.auth, w.Code, called, c.want)
		}
		if c.want == 200 && called != c.method+" "+c.path {
			t.Errorf("%s arrived as %s", c.path, called)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no policy", c.path)
		}
	}
}
