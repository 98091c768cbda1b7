package web

import (
	"context"
	"net/http"
	"time"

	"github.com/timepool/timepool/monitor"
)

// Options are the node file's wishes for the web side, and what it asks of the
// other rooms. What is nil is not shown.
type Options struct {
	// Hosts are the names, without port, by which browsers may reach this node.
	// IP literals and localhost always may.
	Hosts []string
	// Metrics serves /metrics.
	Metrics http.Handler
	// History is what charts and logs are read from.
	History *monitor.History
	// Explain tells what a client, an address or a network, is handed out under
	// a name, and why, in fields that the template of the zone page reads.
	Explain func(client, name string) (any, error)
	// Ask puts a question to this node's own DNS over UDP; nil when it was
	// answered.
	Ask func(context.Context) error
}

// Handler serves the pages, the API and the health endpoints. It calls view
// once a request, from many goroutines at a time.
func Handler(view func() View, o Options) http.Handler {
	p := parse(o)
	mux := http.NewServeMux()
	on := func(path string, serve func(w http.ResponseWriter, r *http.Request, v View)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, view()) })
	}
	on("/{$}", func(w http.ResponseWriter, _ *http.Request, v View) { p.overview(w, v) })
	on("/members", func(w http.ResponseWriter, r *http.Request, v View) { p.members(w, v, r.URL.Query()) })
	on("/members/{name}", func(w http.ResponseWriter, r *http.Request, v View) {
		p.member(w, v, r.PathValue("name"), r.URL.Query().Get("span"))
	})
	on("/zone", func(w http.ResponseWriter, r *http.Request, v View) {
		p.zone(w, v, r.URL.Query().Get("name"), r.URL.Query().Get("from"))
	})
	on("/node", func(w http.ResponseWriter, _ *http.Request, v View) { p.node(w, v) })
	for _, file := range []string{"/style.css", "/icon.svg", "/live.js"} {
		mux.Handle(file, http.FileServerFS(p.files))
	}

	on("/api/v1/members", func(w http.ResponseWriter, _ *http.Request, v View) { members(w, v) })
	on("/api/v1/members/{name}", func(w http.ResponseWriter, r *http.Request, v View) { member(w, v, r.PathValue("name")) })
	on("/api/v1/status", func(w http.ResponseWriter, _ *http.Request, v View) { status(w, v) })

	if o.Metrics != nil {
		mux.Handle("/metrics", o.Metrics)
	}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	on("/readyz", p.ready)
	return guard(mux, o.Hosts)
}

// ready says whether the node should be asked: it has what it needs, and its
// DNS does answer.
func (p pages) ready(w http.ResponseWriter, r *http.Request, v View) {
	err := v.Ready
	if err == nil && p.Ask != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		err = p.Ask(ctx)
	}
	if err != nil {
		say(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	say(w, http.StatusOK, "ready")
}

// NewServer wraps h with limits under which slow or silent clients cannot pile
// up: 16 KiB of headers, 64 KiB of body, and a time for each stage. The caller
// gives it a listener, an ErrorLog, and shuts it down.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(h, 64<<10),
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
