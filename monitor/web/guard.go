package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard refuses what could change something or comes by a name that is not
// ours, and sets the headers that every reply has.
//
// A page on the Internet can point a name of its own at 127.0.0.1 and so read
// whatever listens there (DNS rebinding). It cannot choose the Host header,
// which then carries that name; an IP literal or a configured name shows that
// the visitor meant this node.
func guard(next http.Handler, hosts []string) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, h := range hosts {
		known[bare(h)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !literal(r.Host) && !known[bare(r.Host)] {
			http.Error(w, "this node does not know itself by that name: add it to http.hosts in the node file, or use its IP address",
				http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "read-only: use the timepool command on this host", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bare is a Host header's name without its port, in lower case, without the
// root's dot.
func bare(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// literal reports whether the Host header is an address: "192.0.2.1:8053",
// "[2001:db8::1]".
func literal(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(bare(host), "[]"))
	return err == nil
}
