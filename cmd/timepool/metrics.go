package main

import (
	"cmp"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/monitor/web"
	"github.com/timepool/timepool/resolver"
)

// scraped reads a node or a responder when it is scraped; nothing is counted
// twice and the hot paths know nothing of Prometheus.
type scraped func(scrape)

// Describe sends nothing, which makes the collector an unchecked one: members
// and pools come and go with the registry.
func (scraped) Describe(chan<- *prometheus.Desc) {}

// Collect reads once.
func (read scraped) Collect(out chan<- prometheus.Metric) {
	read(scrape{out, map[string]*prometheus.Desc{}})
}

// scrape is one reading. Its metrics are named without "timepool_"; labels are
// names and values in turn, of the registry and of fixed words: none holds a client.
type scrape struct {
	out   chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
}

func (s scrape) gauge(name, help string, v float64, labels ...string) {
	desc, values := s.desc(name, help, labels)
	s.out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, values...)
}

func (s scrape) count(name, help string, v float64, labels ...string) {
	desc, values := s.desc(name, help, labels)
	s.out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, v, values...)
}

func (s scrape) desc(name, help string, labels []string) (desc *prometheus.Desc, values []string) {
	var names []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	if s.descs[name] == nil {
		s.descs[name] = prometheus.NewDesc("timepool_"+name, help, names, nil)
	}
	return s.descs[name], values
}

// metricsHandler serves what collectors read.
func metricsHandler(from ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(from...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// metricsHandler serves /metrics of the node and of the process.
func (n *node) metricsHandler() http.Handler {
	return metricsHandler(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), scraped(n.metrics))
}

func (n *node) metrics(s scrape) {
	g := n.inForce.Load()
	v := n.viewOf(g)
	askers, dealt := n.dns.Uses()
	configMetrics(s, &v)
	n.dnsMetrics(s, askers)
	poolMetrics(s, g)
	in := map[bool]int{}
	for _, m := range v.Members {
		memberMetrics(s, &m, dealt[m.Address])
		if m.In {
			in[m.Address.Is6()]++
		}
	}
	for _, six := range []bool{false, true} {
		s.gauge("pool_members_in", "Member addresses that are handed out.", float64(in[six]), "family", family(six))
		s.gauge("probe_frozen", "1 while no score of an address family moves, as the node does not trust its own clock or network.", bit(slices.Contains(v.Monitor.Lost, family(six))), "family", family(six))
	}
	for outcome := range n.checks {
		s.count("probe_checks_total", "Checks of members by outcome.", float64(n.checks[outcome].Load()), "outcome", monitor.Outcome(outcome).String())
	}
	s.gauge("probe_booting", "1 while nobody has ever reached a score of 10.", bit(v.Monitor.Booting))
	s.gauge("probe_lag_seconds", "How late the check is that is due next.", v.Lag.Seconds())
	h := cmp.Or(v.History, new(monitor.HistoryStatus)) // of a static node all is 0
	s.gauge("history_size_bytes", "Size of the file of scores and history.", float64(h.Size))
	s.gauge("history_waiting_checks", "Checks that are in memory and not yet on the disk.", float64(h.Waiting))
	s.gauge("history_write_failing", "1 while scores and history cannot be written.", bit(h.Failing != ""))
}

func configMetrics(s scrape, v *web.View) {
	s.gauge("build_info", "The version that runs, and the Go that it was built with.", 1, "version", buildVersion(), "goversion", runtime.Version())
	s.gauge("ready", "1 when the node should be asked.", bit(v.Waiting == ""))
	s.gauge("config_generation", "Generation of the registry in force; each accepted edit adds one.", float64(v.Generation))
	s.gauge("config_serial", "Serial of the SOA that is served.", float64(v.Serial))
	s.gauge("config_warnings", "Warnings about the registry in force.", float64(len(v.Registry.Warnings)))
	last := Reload{Accepted: true, Time: v.Started}
	if len(v.Reloads) > 0 {
		last = v.Reloads[0]
	}
	s.gauge("config_last_reload_successful", "0 when the last edit was refused and the former registry stays in force.", bit(last.Accepted))
	s.gauge("config_last_reload_timestamp_seconds", "When the registry was last read again, or when the node started.", epochSeconds(last.Time))
	s.gauge("config_last_build_timestamp_seconds", "When what is answered was last built.", epochSeconds(v.Published))
}

func (n *node) dnsMetrics(s scrape, askers map[resolver.Asked]uint64) {
	c := n.dns.Counters()
	for i, transport := range []string{"udp", "tcp"} {
		for v := range resolver.Verdict(resolver.Verdicts) {
			counts := []*[resolver.Verdicts]uint64{&c.UDP, &c.TCP}[i]
			s.count("dns_queries_total", "DNS queries by transport and what became of them.", float64(counts[v]), "transport", transport, "verdict", v.String())
		}
		buckets, total := c.Latency[i].Buckets()
		desc, values := s.desc("dns_duration_seconds", "Time from reading a batch of DNS queries to having sent its replies.", []string{"transport", transport})
		s.out <- prometheus.MustNewConstHistogram(desc, total, c.Latency[i].Sum.Seconds(), buckets, values...)
	}
	for from, queries := range askers {
		by := map[bool]string{false: "sender", true: "subnet"}[from.Subnet]
		s.count("dns_client_queries_total", "DNS queries whose answer hangs on where the client is, by its site, how that was found (registry, geoip, default), and what was looked up (sender, subnet).",
			float64(queries), "site", from.Site, "found", from.Found, "by", by)
	}
	s.count("dns_rate_limit_trial_total", "DNS queries that dns.rate_limit would have limited, were it not for dry_run.", float64(c.OnTrial))
	s.count("dns_receive_buffer_drops_total", "DNS queries that found a full receive buffer.", float64(c.Overrun))
	s.count("dns_unsent_replies_total", "DNS replies that could not be sent.", float64(c.Unsent))
	s.gauge("dns_tcp_connections", "TCP connections open now, those of TLS too.", float64(c.Open))
	s.count("dns_tcp_connections_total", "TCP connections taken.", float64(c.Accepted))
	s.count("dns_tcp_evicted_connections_total", "TCP connections closed to make room for a newcomer.", float64(c.Evicted))
}

func poolMetrics(s scrape, g *generation) {
	stats := g.snapshot.Stats()
	for i := range g.registry.Pools {
		for _, six := range []bool{false, true} {
			line := resolver.Line{Pool: g.registry.Pools[i].Name, IPv6: six}
			labels := []string{"pool", line.Pool, "family", family(six)}
			s.gauge("pool_last_resort", "1 where nobody is in and members that merely fell silent are handed out.", bit(slices.Contains(stats.Resort, line)), labels...)
			s.gauge("pool_empty", "1 where no member may be handed out.", bit(slices.Contains(stats.Empty, line) && meant(g.registry, line)), labels...)
		}
	}
}

func memberMetrics(s scrape, m *monitor.Member, answers float64) {
	labels := []string{"member", m.Name, "address", m.Address.String(), "site", m.Site}
	s.gauge("member_in", "1 while a member's address is handed out.", bit(m.In), labels...)
	s.gauge("member_wanted", "1 when the operators want a member's address handed out: not drained, off, monitored only or in a maintenance window.",
		bit((m.State == "active" || m.State == "fallback") && m.Netspeed > 0 && !m.Paused), labels...)
	s.gauge("member_score", "Score of a member's address, -100 to 20.", m.Score, labels...)
	s.count("member_answers_total", "DNS answers that held a member's address, as dealt.", answers, labels...)
	if m.Checked.IsZero() {
		return
	}
	s.gauge("member_last_check_timestamp_seconds", "When a member's address was last checked.", epochSeconds(m.Checked), labels...)
	if m.Outcome == "answered" && m.Stratum > 0 {
		s.gauge("member_offset_seconds", "A member's clock minus this node's, as last measured.", m.Offset.Seconds(), labels...)
		s.gauge("member_round_trip_seconds", "Round trip to a member's address, as last measured.", m.RTT.Seconds(), labels...)
	}
}

func epochSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func family(six bool) string { return "ipv" + strconv.Itoa(4+2*int(bit(six))) }
