package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor/responder"
)

// Prometheus gets what the responder counted and announces.
func TestRespondMetrics(t *testing.T) {
	clock := responder.NewClock(-20, nil, responder.Stated('G'<<24|'P'<<16|'S'<<8, time.Millisecond))
	clock.Poll(t.Context())
	r := &responding{clock: clock, server: &responder.Server{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, State: clock.State}}
	if err := r.server.Open(); err != nil {
		t.Fatal(err)
	}
	defer r.server.Close()
	s := httptest.NewServer(r.metricsServer().Handler)
	defer s.Close()
	scrape := func() string {
		t.Helper()
		resp, err := http.Get(s.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	holds := func(text string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			if !strings.Contains(text, l+"\n") {
				t.Errorf("no line %q in\n%s", l, text)
			}
		}
	}
	holds(scrape(), `timepool_respond_packets_total{verdict="answered"} 0`, "timepool_respond_synchronised 1",
		"timepool_respond_stratum 1", "timepool_respond_root_dispersion_seconds 0.001", "timepool_respond_drained 0")
	clock.Drain("command", "", time.Time{})
	clock.Poll(t.Context())
	holds(scrape(), "timepool_respond_synchronised 0", "timepool_respond_stratum 15", "timepool_respond_drained 1")
}
