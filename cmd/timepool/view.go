package main

import (
	"slices"

	"github.com/timepool/timepool/monitor/web"
)

// view is what the pages show, taken at one moment.
func (n *node) view() web.View {
	current := n.inForce.Load()
	v := web.View{
		Registry: current.registry, Members: n.members(), Status: n.monitorStatus(), Notices: n.notices(), Generation: current.number,
		Serial: current.snapshot.Serial, Version: buildVersion(), Started: n.started, Published: current.published,
		Vantage: n.config.Vantage, Queries: queries(n.dns.Counters()), Reloads: n.remembered(),
	}
	if n.dnsOpen.Load() {
		v.Listen = n.dns.Addrs()
	} else {
		v.Ready = errNotAnswering
	}
	return v
}

// webOptions are what the pages ask of the other rooms.
func (n *node) webOptions() web.Options {
	return web.Options{
		Hosts: n.config.HTTP.Hosts, Metrics: n.metricsHandler(), History: n.history, Ask: n.dns.Ask,
		Explain: func(client, name string) (any, error) { return n.explain(client, name) },
	}
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
