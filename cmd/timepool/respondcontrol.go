package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// respondSocket is where the responder is asked unless --socket names another.
const respondSocket = "/run/timepool-respond/respond.sock"

// controls answers the command line on the unix socket: who may open it may
// have the clients leave. A drain for 0s lifts the drain.
func (r *responding) controls() *http.Server {
	const by = "command"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callPath+"status", func(w http.ResponseWriter, _ *http.Request) { reply(w, r.status()) })
	mux.HandleFunc("POST "+callPath+"drain", func(w http.ResponseWriter, req *http.Request) {
		lasts, err := time.ParseDuration(req.FormValue("for"))
		switch {
		case err != nil:
			refuse(w, http.StatusBadRequest, "drain: wants how long: "+err.Error())
			return
		case lasts > 0:
			r.clock.Drain(by, req.FormValue("reason"), time.Now().Add(lasts))
		default:
			r.clock.Undrain(by)
		}
		r.clock.Poll(req.Context())
		reply(w, r.status())
	})
	return controlServer(mux)
}

// metricsServer serves /metrics.
func (r *responding) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(scraped(r.metrics)))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
}

// command has a running responder do something and prints its status.
func (f *respondFlags) command(ctx context.Context, a *app) error {
	method, path := "GET", "status"
	if !f.status {
		if f.drain <= 0 && !f.undrain {
			return fail(exitUsage, errors.New("--drain: wants how long, 24h at most"))
		}
		method, path = "POST", "drain?"+url.Values{"for": {f.drain.String()}, "reason": {f.reason}}.Encode()
	}
	var s respondStatus
	if err := askSocket(ctx, cmp.Or(a.socket, respondSocket), method, path, &s); err != nil {
		return err
	}
	err := a.show(s, []string{s.line()})
	if f.status {
		err = errors.Join(err, s.unfit())
	}
	return err
}
