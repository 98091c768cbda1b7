package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard refuses what comes by a name that is not ours, hands what could change
// something to Options.Control where it may, and sets the headers that every
// reply has.
//
// A page on the Internet can point a name of its own at 127.0.0.1 and so read
// whatever listens there (DNS rebinding). It cannot choose the Host header,
// which then carries that name; an IP literal or a configured name shows that
// the visitor meant this node.
func guard(next http.Handler, o Options) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, h := range o.Hosts {
		known[bare(h)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case !literal(r.Host) && !known[bare(r.Host)]:
			http.Error(w, "this node does not know itself by that name: add it to http.hosts in the node file, or use its IP address",
				http.StatusMisdirectedRequest)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			next.ServeHTTP(w, r)
		case o.Control == nil || !strings.HasPrefix(r.URL.Path, "/api/v1/") || r.Method != http.MethodPost && r.Method != http.MethodDelete:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "read-only: use the timepool command on this host", http.StatusMethodNotAllowed)
		case r.TLS == nil:
			reply(w, http.StatusForbidden, fault{"what changes something needs TLS: set http.tls in the node file"})
		case !trusted(r, o.Token):
			h.Set("WWW-Authenticate", "Bearer")
			reply(w, http.StatusUnauthorized, fault{"what changes something needs the token: Authorization: Bearer …"})
		default:
			o.Control.ServeHTTP(w, r)
		}
	})
}

// trusted reports whether the request has the token, in a time that does not
// tell how much of it was right.
func trusted(r *http.Request, token func() (string, error)) bool {
	want, err := token()
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return err == nil && want != "" && ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
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
