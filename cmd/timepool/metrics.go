package main

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
)

// metrics reads the node when it is scraped; nothing is counted twice and the
// hot paths know nothing of Prometheus. No label holds a client's address.
type metrics struct {
	node *node

	info, generation, lost, unsent, queries, members, resort, empty, frozen, score *prometheus.Desc
}

// metricsHandler serves /metrics of the node and of the process.
func (n *node) metricsHandler() http.Handler {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("timepool_"+name, help, labels, nil)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &metrics{
		node:       n,
		info:       desc("build_info", "The version that runs.", "version"),
		generation: desc("config_generation", "Generation of the registry in force; each accepted edit adds one."),
		queries:    desc("dns_queries_total", "DNS queries by transport and what became of them.", "transport", "verdict"),
		lost:       desc("dns_receive_buffer_drops_total", "DNS queries that found a full receive buffer."),
		unsent:     desc("dns_unsent_replies_total", "DNS replies that could not be sent."),
		members:    desc("pool_members_in", "Member addresses that are handed out.", "family"),
		resort:     desc("pool_last_resort", "1 where nobody is in and members that merely fell silent are handed out.", "pool", "family"),
		empty:      desc("pool_empty", "1 where no member may be handed out.", "pool", "family"),
		frozen:     desc("monitor_frozen", "1 while no score moves, as the node does not trust its own clock or network."),
		score:      desc("member_score", "Score of a member's address, -100 to 20.", "member", "address"),
	})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe sends nothing, which makes the collector an unchecked one: members
// and pools come and go with the registry.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the node once.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { send(d, prometheus.GaugeValue, v, labels...) }
	current, status := m.node.inForce.Load(), m.node.monitorStatus()
	gauge(m.info, 1, buildVersion())
	gauge(m.generation, float64(current.number))
	gauge(m.frozen, bit(status.Frozen))

	c := m.node.dns.Counters()
	for v := range resolver.Verdict(resolver.Verdicts) {
		send(m.queries, prometheus.CounterValue, float64(c.UDP[v]), "udp", v.String())
		send(m.queries, prometheus.CounterValue, float64(c.TCP[v]), "tcp", v.String())
	}
	send(m.lost, prometheus.CounterValue, float64(c.Overrun))
	send(m.unsent, prometheus.CounterValue, float64(c.Unsent))

	stats := current.snapshot.Stats()
	for i := range current.registry.Pools {
		for _, six := range []bool{false, true} {
			line := resolver.Line{Pool: current.registry.Pools[i].Name, IPv6: six}
			gauge(m.resort, bit(slices.Contains(stats.Resort, line)), line.Pool, family(six))
			gauge(m.empty, bit(slices.Contains(stats.Empty, line)), line.Pool, family(six))
		}
	}
	m.collectMembers(m.node.members(), gauge)
}

func (m *metrics) collectMembers(members []monitor.Member, gauge func(*prometheus.Desc, float64, ...string)) {
	in := map[bool]int{}
	for _, l := range members {
		gauge(m.score, l.Score, l.Name, l.Address.String())
		if l.In {
			in[l.Address.Is6()]++
		}
	}
	for _, six := range []bool{false, true} {
		gauge(m.members, float64(in[six]), family(six))
	}
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func family(six bool) string { return "ipv" + strconv.Itoa(4+2*int(bit(six))) }
