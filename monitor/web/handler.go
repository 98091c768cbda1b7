package web

import (
	"net/http"
	"time"
)

// Options are the node file's wishes for the web side.
type Options struct {
	// Hosts are the names, without port, by which browsers may reach this node.
	// IP literals and localhost always may.
	Hosts []string
	// Metrics serves /metrics; nil: there are none.
	Metrics http.Handler
}

// Handler serves the pages, the API and the health endpoints. It calls view
// once a request, from many goroutines at a time.
func Handler(view func() View, o Options) http.Handler {
	p := parse()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { p.overview(w, view()) })
	mux.HandleFunc("/members/{name}", func(w http.ResponseWriter, r *http.Request) {
		p.member(w, view(), r.PathValue("name"))
	})
	mux.Handle("/style.css", http.FileServerFS(p.files))
	mux.Handle("/icon.svg", http.FileServerFS(p.files))

	mux.HandleFunc("/api/v1/members", func(w http.ResponseWriter, r *http.Request) { members(w, view()) })
	mux.HandleFunc("/api/v1/members/{name}", func(w http.ResponseWriter, r *http.Request) {
		member(w, view(), r.PathValue("name"))
	})
	mux.HandleFunc("/api/v1/status", func(w http.ResponseWriter, r *http.Request) { status(w, view()) })

	if o.Metrics != nil {
		mux.Handle("/metrics", o.Metrics)
	}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := view().Ready; err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	return guard(mux, o.Hosts)
}

// NewServer wraps h with limits under which slow or silent clients cannot pile
// up. The caller gives it a listener, an ErrorLog, and shuts it down.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
}

// say answers in one plain line.
func say(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(line + "\n")) // a reader that left needs no answer
}
