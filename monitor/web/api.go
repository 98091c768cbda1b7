package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/timepool/timepool/monitor"
)

// members answers the array that `timepool members -o json` prints.
func members(w http.ResponseWriter, _ *http.Request, v View) {
	if v.Members == nil {
		v.Members = []monitor.Member{}
	}
	reply(w, http.StatusOK, v.Members)
}

// fault is the reply where a call cannot be answered.
type fault struct {
	Error string `json:"error"`
}

// member answers one member's addresses, in the shape of members.
func member(w http.ResponseWriter, r *http.Request, v View) {
	name := r.PathValue("name")
	found := v.named(name)
	if len(found) == 0 {
		reply(w, http.StatusNotFound, fault{fmt.Sprintf("no member is named %q", name)})
		return
	}
	reply(w, http.StatusOK, found)
}

// explain answers as `timepool explain CLIENT NAME -o json` prints it.
func (p pages) explain(w http.ResponseWriter, r *http.Request, _ View) {
	if p.Explain == nil {
		reply(w, http.StatusNotFound, fault{"this node explains nothing"})
		return
	}
	told, err := p.Explain(r.FormValue("client"), r.FormValue("name"))
	if err != nil {
		reply(w, http.StatusBadRequest, fault{err.Error()})
		return
	}
	reply(w, http.StatusOK, told)
}

// node is the reply of /api/v1/status: counts are addresses, not hosts.
type node struct {
	Zone       string    `json:"zone"`
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	Generation uint64    `json:"generation"`
	Serial     uint32    `json:"serial"`
	Ready      bool      `json:"ready"`
	Waiting    string    `json:"waiting"` // why it is not ready, "" when it is
	Addresses  int       `json:"addresses"`
	In         int       `json:"in"`
	Notices    []string  `json:"notices"`
	Reloads    []Reload  `json:"reloads"` // newest first
	monitor.Status
}

func status(w http.ResponseWriter, _ *http.Request, v View) {
	n := node{
		Zone: v.zone(), Version: v.Version, Started: v.Started, Generation: v.Generation, Serial: v.Serial,
		Ready: v.Ready == nil, Addresses: len(v.Members), In: in(v.Members), Notices: append([]string{}, v.Notices...),
		Reloads: append([]Reload{}, v.Reloads...), Status: v.Status,
	}
	if v.Ready != nil {
		n.Waiting = v.Ready.Error()
	}
	reply(w, http.StatusOK, n)
}

// reply answers in JSON.
func reply(w http.ResponseWriter, code int, what any) {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil { // a score that is not a number, say
		http.Error(w, "cannot be written as JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}
