package main

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/resolver"
)

// catalogue is every metric of a node without "timepool_", its help and its
// labels. Labels are of the registry and of fixed words: none holds a client.
var catalogue = map[string][]string{
	"build_info": {"The version that runs, and the Go that it was built with.", "version", "goversion"},
	"ready":      {"1 when the node should be asked."},

	"config_generation":                    {"Generation of the registry in force; each accepted edit adds one."},
	"config_serial":                        {"Serial of the SOA that is served."},
	"config_warnings":                      {"Warnings about the registry in force."},
	"config_last_reload_successful":        {"0 when the last edit was refused and the former registry stays in force."},
	"config_last_reload_timestamp_seconds": {"When the registry was last read again, or when the node started."},
	"config_last_build_timestamp_seconds":  {"When what is answered was last built."},

	"dns_queries_total":                 {"DNS queries by transport and what became of them.", "transport", "verdict"},
	"dns_duration_seconds":              {"Time from reading a batch of DNS queries to having sent its replies.", "transport"},
	"dns_client_queries_total":          {"DNS queries whose answer hangs on where the client is, by its site, how that was found (registry, geoip, default), and what was looked up (sender, subnet).", "site", "found", "by"},
	"dns_rate_limit_trial_total":        {"DNS queries that dns.rate_limit would have limited, were it not for dry_run."},
	"dns_receive_buffer_drops_total":    {"DNS queries that found a full receive buffer."},
	"dns_unsent_replies_total":          {"DNS replies that could not be sent."},
	"dns_tcp_connections":               {"TCP connections open now, those of TLS too."},
	"dns_tcp_connections_total":         {"TCP connections taken."},
	"dns_tcp_evicted_connections_total": {"TCP connections closed to make room for a newcomer."},

	"pool_members_in":  {"Member addresses that are handed out.", "family"},
	"pool_last_resort": {"1 where nobody is in and members that merely fell silent are handed out.", "pool", "family"},
	"pool_empty":       {"1 where no member may be handed out.", "pool", "family"},

	"member_in":                           {"1 while a member's address is handed out.", "member", "address", "site"},
	"member_wanted":                       {"1 when the operators want a member's address handed out: not drained, off, monitored only or in a maintenance window.", "member", "address", "site"},
	"member_score":                        {"Score of a member's address, -100 to 20.", "member", "address", "site"},
	"member_offset_seconds":               {"A member's clock minus this node's, as last measured.", "member", "address", "site"},
	"member_round_trip_seconds":           {"Round trip to a member's address, as last measured.", "member", "address", "site"},
	"member_last_check_timestamp_seconds": {"When a member's address was last checked.", "member", "address", "site"},
	"member_answers_total":                {"DNS answers that held a member's address, as dealt.", "member", "address", "site"},

	"probe_checks_total": {"Checks of members by outcome.", "outcome"},
	"probe_frozen":       {"1 while no score moves, as the node does not trust its own clock or network."},
	"probe_lag_seconds":  {"How late the check is that is due next."},
	"probe_booting":      {"1 while nobody has ever reached a score of 10."},

	"history_size_bytes":     {"Size of the file of scores and history."},
	"history_waiting_checks": {"Checks that are in memory and not yet on the disk."},
	"history_write_failing":  {"1 while scores and history cannot be written."},
}

// metrics reads the node when it is scraped; nothing is counted twice and the
// hot paths know nothing of Prometheus.
type metrics struct {
	node  *node
	descs map[string]*prometheus.Desc
}

// metricsHandler serves /metrics of the node and of the process.
func (n *node) metricsHandler() http.Handler {
	m := &metrics{n, map[string]*prometheus.Desc{}}
	for name, texts := range catalogue {
		m.descs[name] = prometheus.NewDesc("timepool_"+name, texts[0], texts[1:], nil)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe sends nothing, which makes the collector an unchecked one: members
// and pools come and go with the registry.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// scrape is one reading of the node.
type scrape struct {
	*metrics
	out chan<- prometheus.Metric
}

// gauge and count send one value; labels are in the catalogue's order.
func (s scrape) gauge(name string, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, v, labels...)
}

func (s scrape) count(name string, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, v, labels...)
}

// Collect reads the node once.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s, n := scrape{m, out}, m.node
	askers, dealt := n.dns.Uses()
	s.config(n.inForce.Load())
	s.dns(n.dns.Counters(), askers)
	s.pools(n.inForce.Load())
	in := map[bool]int{}
	for _, l := range n.members() {
		s.member(&l, dealt[l.Address])
		if l.In {
			in[l.Address.Is6()]++
		}
	}
	for _, six := range []bool{false, true} {
		s.gauge("pool_members_in", float64(in[six]), family(six))
	}
	status := n.monitorStatus()
	s.gauge("probe_frozen", bit(status.Frozen))
	s.gauge("probe_booting", bit(status.Booting))
	s.gauge("probe_lag_seconds", n.lag().Seconds())
	var h monitor.HistoryStatus // of a static node all is 0
	if n.history != nil {
		h = n.history.Status()
	}
	s.gauge("history_size_bytes", float64(h.Size))
	s.gauge("history_waiting_checks", float64(h.Waiting))
	s.gauge("history_write_failing", bit(h.Failing != ""))
	for outcome, word := range []string{monitor.Answered: "answered", monitor.Silent: "silent", monitor.Unmeasured: "unmeasured"} {
		s.count("probe_checks_total", float64(n.checks[outcome].Load()), word)
	}
}

func (s scrape) config(current *generation) {
	n := s.node
	s.gauge("build_info", 1, buildVersion(), runtime.Version())
	s.gauge("ready", bit(n.dnsOpen.Load()))
	s.gauge("config_generation", float64(current.number))
	s.gauge("config_serial", float64(current.snapshot.Serial))
	s.gauge("config_warnings", float64(len(current.registry.Warnings)))
	last := Reload{Accepted: true, Time: n.started}
	if r := n.lastReload(); r != nil {
		last = *r
	}
	s.gauge("config_last_reload_successful", bit(last.Accepted))
	s.gauge("config_last_reload_timestamp_seconds", epochSeconds(last.Time))
	s.gauge("config_last_build_timestamp_seconds", epochSeconds(current.published))
}

func (s scrape) dns(c resolver.Counters, askers map[resolver.Asked]uint64) {
	for i, transport := range []string{"udp", "tcp"} {
		counts, latency := c.UDP, &c.Latency[i]
		if i == 1 {
			counts = c.TCP
		}
		for v := range resolver.Verdict(resolver.Verdicts) {
			s.count("dns_queries_total", float64(counts[v]), transport, v.String())
		}
		buckets, total := latency.Buckets()
		s.out <- prometheus.MustNewConstHistogram(s.descs["dns_duration_seconds"], total, latency.Sum.Seconds(), buckets, transport)
	}
	for from, queries := range askers {
		by := "sender"
		if from.Subnet {
			by = "subnet"
		}
		s.count("dns_client_queries_total", float64(queries), from.Site, from.Found, by)
	}
	s.count("dns_rate_limit_trial_total", float64(c.OnTrial))
	s.count("dns_receive_buffer_drops_total", float64(c.Overrun))
	s.count("dns_unsent_replies_total", float64(c.Unsent))
	s.gauge("dns_tcp_connections", float64(c.Open))
	s.count("dns_tcp_connections_total", float64(c.Accepted))
	s.count("dns_tcp_evicted_connections_total", float64(c.Evicted))
}

func (s scrape) pools(current *generation) {
	stats := current.snapshot.Stats()
	for i := range current.registry.Pools {
		for _, six := range []bool{false, true} {
			line := resolver.Line{Pool: current.registry.Pools[i].Name, IPv6: six}
			s.gauge("pool_last_resort", bit(slices.Contains(stats.Resort, line)), line.Pool, family(six))
			s.gauge("pool_empty", bit(slices.Contains(stats.Empty, line) && meant(current.registry, line)), line.Pool, family(six))
		}
	}
}

func (s scrape) member(l *monitor.Member, answers float64) {
	labels := []string{l.Name, l.Address.String(), l.Site}
	s.gauge("member_in", bit(l.In), labels...)
	s.gauge("member_wanted", bit((l.State == "active" || l.State == "fallback") && l.Netspeed > 0 && !l.Paused), labels...)
	s.gauge("member_score", l.Score, labels...)
	s.count("member_answers_total", answers, labels...)
	if l.Checked.IsZero() {
		return
	}
	s.gauge("member_last_check_timestamp_seconds", epochSeconds(l.Checked), labels...)
	if l.Outcome == "answered" && l.Stratum > 0 {
		s.gauge("member_offset_seconds", l.Offset.Seconds(), labels...)
		s.gauge("member_round_trip_seconds", l.RTT.Seconds(), labels...)
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
