package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// body makes what a page or a call tells of a View. An error is told with it: with
// 404 where it is a nowhere, else with 400.
type body func(*http.Request, View) (any, error)

// nowhere is an error about what there is not.
type nowhere struct{ error }

func codeOf(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, new(nowhere)):
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

// sheet is what every page's template is given; Body is the page's own.
type sheet struct {
	View
	Title string
	Page  string // which it is
	Now   time.Time
	Body  any
}

// html shows what is told by the template of that name. It renders into memory
// first, so that a fault never leaves half a page. A page about one member has
// its name as the title.
func (p pages) html(name, title string, tell body) func(http.ResponseWriter, *http.Request, View) {
	return func(w http.ResponseWriter, r *http.Request, v View) {
		told, err := tell(r, v)
		var page bytes.Buffer
		if err := p.set[name].Execute(&page, sheet{v, cmp.Or(title, r.PathValue("name")), name, time.Now(), told}); err != nil {
			http.Error(w, "page "+name+": "+err.Error(), http.StatusInternalServerError)
			return
		}
		send(w, codeOf(err), "text/html; charset=utf-8", page.Bytes())
	}
}

// inJSON answers a call with what is told, or with the error.
func inJSON(tell body) func(http.ResponseWriter, *http.Request, View) {
	return func(w http.ResponseWriter, r *http.Request, v View) {
		told, err := tell(r, v)
		if err != nil {
			told = fault{err.Error()}
		}
		reply(w, codeOf(err), told)
	}
}

// fault is the reply where a call cannot be answered.
type fault struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, code int, what any) {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil { // a score that is not a number, say
		http.Error(w, "cannot be written as JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, code, "application/json", append(text, '\n'))
}

// say answers in one plain line.
func say(w http.ResponseWriter, code int, line string) {
	send(w, code, "text/plain; charset=utf-8", []byte(line+"\n"))
}

func send(w http.ResponseWriter, code int, kind string, what []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	_, _ = w.Write(what) // a reader that left needs no answer
}
