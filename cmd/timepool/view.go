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

// Status is what a node says of itself.
type Status = web.Status

// view is what the pages show, taken at one moment.
func (n *node) view() web.View {
	current, members := n.inForce.Load(), n.members()
	v := web.View{Registry: current.registry, Members: members, Status: Status{
		Zone: current.registry.Zone.Name, Version: buildVersion(), Started: n.started, Generation: current.number, Serial: current.snapshot.Serial,
		Published: current.published, Answering: n.dnsOpen.Load(), Addresses: len(members), In: web.CountIn(members),
		Vantage: n.config.Vantage, Lag: n.lag(), Monitor: n.monitorStatus(), Notices: n.notices(),
		Overrides: append([]zones.Override{}, zones.Current(current.record, time.Now())...), Reloads: n.remembered(), Queries: queries(n.dns.Counters()),
	}}
	if n.history != nil {
		h := n.history.Status()
		v.History = &h
	}
	if !v.Answering {
		v.Waiting = errNotAnswering.Error()
		return v
	}
	v.Listen = n.dns.Addrs()
	empty := current.snapshot.Stats().Empty
	if slices.Contains(empty, resolver.Line{}) && slices.Contains(empty, resolver.Line{IPv6: true}) {
		v.Waiting = errNobodyIn.Error()
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
