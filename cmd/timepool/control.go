package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// Status is what a node says of itself.
type Status struct {
	Version    string                 `json:"version"`
	Zone       string                 `json:"zone"`
	Generation uint64                 `json:"generation"`
	Serial     uint32                 `json:"serial"`
	Uptime     time.Duration          `json:"uptime_ns"`
	Answering  bool                   `json:"answering"` // DNS sockets are open
	Monitor    monitor.Status         `json:"monitor"`
	Notices    []string               `json:"notices"`     // pools on their last resort, or empty
	Overrides  []zones.Override       `json:"overrides"`   // that count now
	History    *monitor.HistoryStatus `json:"history"`     // null when members are not measured
	LastReload *Reload                `json:"last_reload"` // null before the first
	Queries    map[string]uint64      `json:"queries"`     // by verdict, since the start
}

// controlServer answers the command line on the unix socket. Who may open the
// socket may control the node; there is no other check.
func (n *node) controlServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.members()) })
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.status()) })
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, r *http.Request) {
		var outcome Reload
		if !n.inLoop(r.Context(), func() { outcome = n.reload(r.URL.Query().Get("force") == "1") }) {
			refuse(w, http.StatusServiceUnavailable, "the node is ending")
			return
		}
		reply(w, outcome)
	})
	for _, v := range overrideVerbs {
		mux.HandleFunc("POST /v1/"+v.verb, n.handleOverride(v.state, v.lifts))
	}
	mux.HandleFunc("GET /v1/overrides", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, n.overrides())
	})
	mux.HandleFunc("GET /v1/explain", n.handleExplain)
	mux.HandleFunc("GET /v1/what-if", n.handleWhatIf)
	mux.HandleFunc("GET /v1/history", n.handleHistory)
	mux.HandleFunc("GET /v1/backup", n.handleBackup)
	for pattern, handler := range n.extra {
		mux.HandleFunc(pattern, handler)
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ConnContext: withPeer}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the command line went away: nothing to do
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": why})
}

// members is one line per member address, in the registry's order.
func (n *node) members() []monitor.Member {
	current := n.inForce.Load()
	if n.board == nil {
		return monitor.Members(current.registry, current.scores, nil)
	}
	return monitor.Members(current.registry, n.board.Scores(), n.board.Rows())
}

func (n *node) monitorStatus() monitor.Status {
	if n.board == nil {
		return monitor.Status{Warning: "static: members are not measured"}
	}
	s := n.board.Status()
	s.Resort = len(n.inForce.Load().snapshot.Stats().Resort) > 0 // the Board does not know families and tenant pools
	return s
}

func (n *node) status() Status {
	current := n.inForce.Load()
	s := Status{
		Version: buildVersion(), Zone: current.registry.Zone.Name, Generation: current.number, Serial: current.snapshot.Serial,
		Uptime: time.Since(n.started), Answering: n.dnsOpen.Load(), Monitor: n.monitorStatus(), Notices: n.notices(),
		Overrides: append([]zones.Override{}, zones.Current(current.record, time.Now())...), LastReload: n.lastReload(), Queries: queries(n.dns.Counters()),
	}
	if n.history != nil {
		h := n.history.Status()
		s.History = &h
	}
	return s
}

// queries are the counts of both transports by verdict.
func queries(c resolver.Counters) map[string]uint64 {
	counts := make(map[string]uint64, resolver.Verdicts)
	for v := range resolver.Verdict(resolver.Verdicts) {
		counts[v.String()] = c.UDP[v] + c.TCP[v]
	}
	return counts
}
