package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
)

// controlServer answers the command line on the unix socket. Who may open the
// socket may control the node; there is no other check.
func (n *node) controlServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.members()) })
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.view().Status) })
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

// queries are the counts of both transports by verdict.
func queries(c resolver.Counters) map[string]uint64 {
	counts := make(map[string]uint64, resolver.Verdicts)
	for v := range resolver.Verdict(resolver.Verdicts) {
		counts[v.String()] = c.UDP[v] + c.TCP[v]
	}
	return counts
}
