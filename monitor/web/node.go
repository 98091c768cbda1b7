package web

import (
	"net/http"
	"runtime"
)

// self is the body of the node's page, beside its View.
type self struct {
	Go, System string
	Queries    []count
	Warnings   []string // of the registry
}

type count struct {
	Word string
	N    uint64
}

func (p pages) node(w http.ResponseWriter, _ *http.Request, v View) {
	b := self{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	for _, word := range []string{"answered", "nodata", "nxdomain", "servfail", "refused", "truncated", "formerr", "dropped"} {
		b.Queries = append(b.Queries, count{word, v.Queries[word]})
	}
	if v.Registry != nil {
		b.Warnings = v.Registry.Warnings
	}
	p.show(w, http.StatusOK, "node", "Node", v, b)
}
