package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/timepool/timepool/monitor"
)

// fault is the reply where a call cannot be answered.
type fault struct {
	Error string `json:"error"`
}

// members answers the array that `timepool members -o json` prints, or one
// member's part of it.
func members(w http.ResponseWriter, r *http.Request, v View) {
	name, all := r.PathValue("name"), v.Members
	if name != "" {
		if all = v.named(name); len(all) == 0 {
			reply(w, http.StatusNotFound, fault{fmt.Sprintf("no member is named %q", name)})
			return
		}
	}
	reply(w, http.StatusOK, append([]monitor.Member{}, all...)) // [] and not null
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
