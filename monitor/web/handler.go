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
	// Control takes the calls that change something, as on the unix socket, from
	// who has Token's word and comes over TLS.
	Control http.Handler
	Token   func() (string, error)
	// Ask puts a question to this node's own DNS over UDP; nil when it was
	// answered.
	Ask func(context.Context) error
}

// Handler serves the pages, the API and the health endpoints. It calls view
// once a request, from many goroutines at a time.
func Handler(view func() View, o Options) http.Handler {
	p := parse(o)
	mux := http.NewServeMux()
	for path, serve := range p.routes() {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, view()) })
	}
	for path, file := range map[string]string{
		"/style.css": "style.css", "/icon.svg": "icon.svg", "/live.js": "live.js", "/api/v1/openapi.json": "openapi.json",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, p.files, file) })
	}
	if o.Metrics != nil {
		mux.Handle("/metrics", o.Metrics)
	}
	return guard(mux, o)
}

// routes are what is answered from a View.
func (p pages) routes() map[string]func(http.ResponseWriter, *http.Request, View) {
	return map[string]func(http.ResponseWriter, *http.Request, View){
		"/{$}":                     p.html("overview", "Overview", p.overview),
		"/members":                 p.html("members", "Members", p.members),
		"/members/{name}":          p.html("member", "", p.member),
		"/zone":                    p.html("zone", "Names", p.zone),
		"/node":                    p.html("node", "Node", p.node),
		"/scores/{address}":        p.scores,
		"/scores/{address}/{what}": p.scores,
		"/api/v1/members":          inJSON(func(_ *http.Request, v View) (any, error) { return append([]monitor.Member{}, v.Members...), nil }), // [] and not null
		"/api/v1/members/{name}":   inJSON(func(r *http.Request, v View) (any, error) { return v.told(r.PathValue("name"), time.Now()) }),
		"/api/v1/status":           inJSON(func(_ *http.Request, v View) (any, error) { return v.Status, nil }),
		"/api/v1/explain":          inJSON(p.explain),
		"/healthz":                 health,
		"/readyz":                  p.ready,
	}
}

// ready says whether the node should be asked: it has what it needs, and its
// DNS does answer.
func (p pages) ready(w http.ResponseWriter, r *http.Request, v View) {
	why := v.Waiting
	if why == "" && p.Ask != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := p.Ask(ctx); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		say(w, http.StatusServiceUnavailable, why)
		return
	}
	say(w, http.StatusOK, "ready")
}

// health is "ok" for a process that lives; a freeze is said, and mends itself.
func health(w http.ResponseWriter, _ *http.Request, v View) {
	line := "ok"
	if v.Monitor.Frozen {
		line += ", but " + v.Monitor.Warning
	}
	say(w, http.StatusOK, line)
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
