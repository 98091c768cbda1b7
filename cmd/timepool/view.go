package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// view is what the pages show, taken at one moment.
func (n *node) view() web.View {
	current := n.inForce.Load()
	v := web.View{
		Registry: current.registry, Members: n.members(), Status: n.monitorStatus(), Notices: n.notices(), Generation: current.number,
		Serial: current.snapshot.Serial, Version: buildVersion(), Started: n.started, Published: current.published,
		Vantage: n.config.Vantage, Lag: n.lag(), Queries: queries(n.dns.Counters()), Reloads: n.remembered(), Overrides: zones.Current(current.record, time.Now()),
	}
	if n.dnsOpen.Load() {
		v.Listen = n.dns.Addrs()
		empty := current.snapshot.Stats().Empty
		if slices.Contains(empty, resolver.Line{}) && slices.Contains(empty, resolver.Line{IPv6: true}) {
			v.Ready = errNobodyIn
		}
	} else {
		v.Ready = errNotAnswering
	}
	return v
}

// lag is how late the probes are; 0 where nobody is probed.
func (n *node) lag() time.Duration {
	if n.prober == nil {
		return 0
	}
	return n.prober.Lag()
}

// webOptions are what the pages ask of the other rooms.
func (n *node) webOptions() web.Options {
	o := web.Options{
		Hosts: n.config.HTTP.Hosts, Metrics: n.metricsHandler(), History: n.history, Ask: n.dns.Ask,
		Explain: func(client, name string) (any, error) { return n.explain(client, name) },
	}
	if path := n.config.HTTP.Token; path != "" {
		control := n.controlServer().Handler
		o.Token = func() (string, error) { return readToken(path) }
		o.Control = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.log.Info("called over https", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
			control.ServeHTTP(w, r)
		})
	}
	return o
}

// secured puts TLS before the pages where the node file has a certificate, and
// looks at the token, so that faults of both are told before anything is served.
func (n *node) secured(l net.Listener) (net.Listener, error) {
	c := n.config.HTTP
	if c.Token != "" {
		if _, err := readToken(c.Token); err != nil {
			return l, fail(exitInvalid, err)
		}
	}
	if c.TLS.Cert == "" {
		return l, nil
	}
	pair, err := openCertificate(c.TLS, n.log)
	if err != nil {
		return l, fail(exitInvalid, err)
	}
	return tls.NewListener(l, pair.config("http/1.1")), nil
}

// scheme is how addresses of the pages begin.
func (n *node) scheme() string {
	if n.config.HTTP.TLS.Cert != "" {
		return "https://"
	}
	return "http://"
}

// reloadsKept is how many reloads the node's page shows.
const reloadsKept = 20

// remember keeps what became of an edit; only the publish loop calls it.
func (n *node) remember(r Reload) {
	all := append([]Reload{r}, n.remembered()...)
	all = slices.Clip(all[:min(len(all), reloadsKept)])
	n.reloads.Store(&all)
}

// remembered are the last edits, newest first.
func (n *node) remembered() []Reload {
	if all := n.reloads.Load(); all != nil {
		return *all
	}
	return nil
}

// lastReload is nil before the first.
func (n *node) lastReload() *Reload {
	if all := n.remembered(); len(all) > 0 {
		return &all[0]
	}
	return nil
}
