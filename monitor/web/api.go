package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/timepool/timepool/monitor"
)

// fault is the reply where a call cannot be answered.
type fault struct {
	Error string `json:"error"`
}

// members answers the array that `timepool members -o json` prints.
func members(w http.ResponseWriter, _ *http.Request, v View) {
	reply(w, http.StatusOK, append([]monitor.Member{}, v.Members...)) // [] and not null
}

// Told is one address of a member, and the words for it.
type Told struct {
	monitor.Member
	Says []string `json:"says"`
}

// member answers for the addresses of one member, or for one address.
func member(w http.ResponseWriter, r *http.Request, v View) {
	name, now := r.PathValue("name"), time.Now()
	var all []Told
	for _, m := range v.Members {
		if m.Name == name || m.Address.String() == name {
			all = append(all, Told{m, m.Lines(now)})
		}
	}
	if all == nil {
		reply(w, http.StatusNotFound, fault{fmt.Sprintf("member %s: the registry has none of that name or address", name)})
		return
	}
	reply(w, http.StatusOK, all)
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
