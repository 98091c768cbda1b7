package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/timepool/timepool/monitor/responder"
)

// respondSocket is where the responder is asked unless --socket names another.
const respondSocket = "/run/timepool-respond/respond.sock"

// responding is a responder at work.
type responding struct {
	clock  *responder.Clock
	server *responder.Server
	node   *poolNode // nil: nobody is asked whether to drain
	log    *slog.Logger
}

// respondStatus is what a responder says of itself.
type respondStatus struct {
	Version   string            `json:"version"`
	Announced announced         `json:"announced"`
	Asking    int               `json:"asking"`  // clients of the last minute or two, about; counted while drained
	Packets   map[string]uint64 `json:"packets"` // by verdict, since the start
}

func (r *responding) status() respondStatus {
	is := r.clock.Announced()
	s := respondStatus{Version: buildVersion(), Announced: announcedBy(is, r.clock.Smear), Asking: is.Asking(), Packets: make(map[string]uint64)}
	for v, n := range r.server.Counters() {
		s.Packets[responder.Verdict(v).String()] = n
	}
	return s
}

// line tells it in one.
func (s respondStatus) line() string {
	asking, p := "", s.Packets
	if len(s.Announced.Drains) > 0 {
		asking = fmt.Sprintf("; about %d clients still ask", s.Asking)
	}
	return fmt.Sprintf("%s%s; %d answered, %d over the limit", s.Announced.line(), asking,
		p["answered"]+p["passive"]+p["interleaved"], p["kissed"]+p["limited"])
}

// tell keeps systemd's status line current.
func (r *responding) tell(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		if _, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+r.status().line()); err != nil {
			r.log.Warn("systemd was not told", "error", err)
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

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
		err = errors.Join(err, s.Announced.unfit())
	}
	return err
}

// listenMetrics opens the listener for Prometheus. What it tells is for this
// host: a scraper elsewhere comes through a proxy that says who may.
func listenMetrics(addr netip.AddrPort) (net.Listener, error) {
	if !addr.Addr().IsLoopback() {
		return nil, fail(exitUsage, fmt.Errorf("--metrics %s: wants a loopback address and port such as 127.0.0.1:9123", addr))
	}
	return net.Listen("tcp", addr.String())
}

// metricsServer serves /metrics.
func (r *responding) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(scraped(r.metrics)))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
}

func (r *responding) metrics(s scrape) {
	is := r.status()
	a, drained := is.Announced, len(is.Announced.Drains) > 0
	for verdict, n := range is.Packets {
		s.count("respond_packets_total", "Packets by what became of them.", float64(n), "verdict", verdict)
	}
	s.gauge("respond_synchronised", "1 where it announces a clock to follow.", bit(a.Synchronised && !drained))
	s.gauge("respond_drained", "1 while it announces itself unsynchronised so that its clients leave.", bit(drained))
	s.gauge("respond_clients_asking", "Clients of the last minute or two, about; counted while drained.", float64(is.Asking))
	s.gauge("respond_stratum", "Stratum announced; 16 unsynchronised.", float64(a.Stratum))
	s.gauge("respond_leap", "Leap indicator announced: 1 a second is inserted, 2 deleted, 3 unsynchronised.", float64(a.Leap))
	s.gauge("respond_smearing_seconds", "What smearing a leap second adds to the clock.", a.Smearing)
	s.gauge("respond_root_delay_seconds", "Root delay announced.", a.RootDelay)
	s.gauge("respond_root_dispersion_seconds", "Root dispersion announced when it was last asked for.", a.RootDispersion)
}
