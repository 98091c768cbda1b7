package resolver

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// standing runs a server of s, which transfers may copy, and returns it with its
// address.
func standing(t testing.TB, s *Snapshot, transfers *Transfers) (*Server, string) {
	t.Helper()
	server := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Loops: 1})
	if err := server.Open(); err != nil {
		t.Fatal(err)
	}
	s.made.Transfers = *transfers
	server.Publish(s)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.Run(t.Context())
	}()
	t.Cleanup(func() { <-stopped }) // after the context's end
	return server, server.Addrs()[0].String()
}

// copyZone asks miekg for the zone.
func copyZone(t testing.TB, addr, zone string, q *dns.Msg, key string) ([]dns.RR, int, error) {
	t.Helper()
	tr := new(dns.Transfer)
	if key != "" {
		q.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		tr.TsigSecret = map[string]string{key: base64.StdEncoding.EncodeToString(tsigSecret)}
	}
	in, err := tr.In(q, addr)
	if err != nil {
		return nil, 0, err
	}
	var all []dns.RR
	messages := 0
	for e := range in {
		if e.Error != nil {
			err = e.Error
		}
		all, messages = append(all, e.RR...), messages+1
	}
	return all, messages, err
}

// TestTransfer: what is copied is what is answered.
func TestTransfer(t *testing.T) {
	s, turns := besidePool(t, nil)
	_, addr := standing(t, s, &Transfers{Keys: []*Key{testKey(t, "hmac-sha256")}})
	for _, zone := range []string{"pool.example.", "ntp.corp.example."} {
		all, messages, err := copyZone(t, addr, zone, new(dns.Msg).SetAxfr(zone), "xfr.example.")
		if err != nil {
			t.Fatal(err)
		}
		if messages < 3 || all[0].Header().Rrtype != dns.TypeSOA || all[0].String() != all[len(all)-1].String() {
			t.Errorf("%d messages, from %v to %v", messages, all[0], all[len(all)-1])
		}
		sets := map[string][]string{}
		for _, rr := range all[1:] {
			key := fmt.Sprint(rr.Header().Name, " ", rr.Header().Rrtype)
			if slices.Contains(sets[key], rr.String()) {
				t.Errorf("twice: %v", rr)
			}
			sets[key] = append(sets[key], rr.String())
		}
		for _, name := range []string{"", "fra.", "asia.", "0.", "3.de.", "v4.", "time.", "_ntp._udp.", "*.w."} {
			for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeTXT, dns.TypeMX, dns.TypeSRV, dns.TypeNS} {
				answer, _ := askSnapshot(t, s, turns, question(name+zone, rrtype))
				want := []string(nil)
				for _, rr := range answer.Answer {
					if rr.Header().Name == name+zone && rr.Header().Rrtype == rrtype {
						want = append(want, rr.String())
					}
				}
				if got := sets[fmt.Sprint(name+zone, " ", rrtype)]; !slices.Equal(inOrder(got), inOrder(want)) {
					t.Errorf("%s%s %s: %q, want %q", name, zone, dns.TypeToString[rrtype], got, want)
				}
			}
		}
		if glue := sets["ns.lab.pool.example. 1"]; (zone == "pool.example.") != (len(glue) == 1) {
			t.Errorf("glue %q", glue)
		}
	}
}

func inOrder(lines []string) []string {
	lines = slices.Clone(lines)
	slices.Sort(lines)
	return lines
}

// TestTransferRefused: who may not have it, what is no zone, and what one
// message says.
func TestTransferRefused(t *testing.T) {
	key := &Transfers{Keys: []*Key{testKey(t, "hmac-sha256")}}
	here := &Transfers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, c := range []struct {
		what      string
		transfers *Transfers
		q         *dns.Msg
		udp       bool
		rcode     int
		soa       bool
	}{
		{"off", &Transfers{}, new(dns.Msg).SetAxfr("pool.example."), false, dns.RcodeRefused, false},
		{"no key", key, new(dns.Msg).SetAxfr("pool.example."), false, dns.RcodeRefused, false},
		{"no zone", here, new(dns.Msg).SetAxfr("fra.pool.example."), false, dns.RcodeNotAuth, false},
		{"not ours", here, new(dns.Msg).SetAxfr("example."), false, dns.RcodeNotAuth, false},
		{"by UDP", here, new(dns.Msg).SetAxfr("pool.example."), true, dns.RcodeRefused, false},
		{"IXFR by UDP", here, new(dns.Msg).SetIxfr("pool.example.", 1, ".", "."), true, 0, true},
		{"IXFR not allowed", key, new(dns.Msg).SetIxfr("pool.example.", 1, ".", "."), true, dns.RcodeRefused, false},
		{"IXFR when current", here, new(dns.Msg).SetIxfr("pool.example.", 7, ".", "."), false, 0, true},
		{"IXFR from ahead", here, new(dns.Msg).SetIxfr("pool.example.", 9, ".", "."), false, 0, true},
	} {
		s, _ := besidePool(t, nil)
		_, addr := standing(t, s, c.transfers)
		client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
		if c.udp {
			client.Net = "udp"
		}
		got, _, err := client.Exchange(c.q, addr)
		if err != nil || got.Rcode != c.rcode || (len(got.Answer) == 1 && got.Answer[0].Header().Rrtype == dns.TypeSOA) != c.soa || len(got.Answer) > 1 {
			t.Errorf("%s: %v %v", c.what, err, got)
		}
	}
}

// TestTransferKeysChange: from one snapshot to the next another key is good.
func TestTransferKeysChange(t *testing.T) {
	s, _ := besidePool(t, nil)
	server, addr := standing(t, s, &Transfers{Keys: []*Key{testKey(t, "hmac-sha256")}})
	for _, good := range []bool{true, false} {
		_, _, err := copyZone(t, addr, "pool.example.", new(dns.Msg).SetAxfr("pool.example."), "xfr.example.")
		if good != (err == nil) {
			t.Errorf("good is %t: %v", good, err)
		}
		other, err := NewKey("xfr.example", "hmac-sha256", []byte("another secret of 16"))
		if err != nil {
			t.Fatal(err)
		}
		next, _ := besidePool(t, nil)
		next.made.Transfers = Transfers{Keys: []*Key{other}}
		server.Publish(next)
	}
}

// TestIncrementalTransfer is the whole zone for who is behind.
func TestIncrementalTransfer(t *testing.T) {
	s, _ := besidePool(t, nil)
	_, addr := standing(t, s, &Transfers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	all, _, err := copyZone(t, addr, "pool.example.", new(dns.Msg).SetIxfr("pool.example.", 6, ".", "."), "")
	if err != nil || len(all) < 100 {
		t.Errorf("%d records, %v", len(all), err)
	}
}

// TestTransferPipelined: queries before and behind a transfer are answered in
// their order on the same connection.
func TestTransferPipelined(t *testing.T) {
	s, _ := besidePool(t, nil)
	_, addr := standing(t, s, &Transfers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn := &dns.Conn{Conn: raw}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for i, q := range []*dns.Msg{question("pool.example.", dns.TypeMX), new(dns.Msg).SetAxfr("pool.example."), question("pool.example.", dns.TypeTXT)} {
		q.Id = uint16(i)
		if err := conn.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint16
	for len(ids) == 0 || ids[len(ids)-1] != 2 {
		m, err := conn.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Id)
	}
	if ids[0] != 0 || ids[1] != 1 || !slices.IsSorted(ids) || len(ids) < 4 {
		t.Errorf("%v", ids)
	}
}

// TestTransferIgnoresScores: the copy holds who is active, however they are now.
func TestTransferIgnoresScores(t *testing.T) {
	r := sampleRegistry
	r.Members = []zones.Member{
		{Name: "well", Site: "fra", Addresses: addrs("10.16.0.1"), Netspeed: 1},
		{Name: "ill", Site: "fra", Addresses: addrs("10.16.0.2"), Netspeed: 1},
		{Name: "drained", Site: "fra", Addresses: addrs("10.16.0.3"), Netspeed: 1, State: zones.Drain},
	}
	scores := zones.Scores{netip.MustParseAddr("10.16.0.1"): {Value: 20, Standing: zones.In}}
	s, err := Build(&r, zones.NewAtlas(&r, nil), scores, Options{Serial: 7})
	if err != nil {
		t.Fatal(err)
	}
	_, addr := standing(t, s, &Transfers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	all, _, err := copyZone(t, addr, "pool.example.", new(dns.Msg).SetAxfr("pool.example."), "")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, rr := range all {
		if rr.Header().Name == "tyo.pool.example." {
			lines = append(lines, strings.Fields(rr.String())[4])
		}
	}
	if slices.Sort(lines); !slices.Equal(lines, []string{"10.16.0.1", "10.16.0.2"}) {
		t.Errorf("%q", lines)
	}
}

// sink takes a transfer and counts.
type sink struct {
	net.Conn
	messages, records, longest int
}

func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) Write(b []byte) (int, error) {
	s.messages++
	s.records += int(binary.BigEndian.Uint16(b[frameLen+answers:]))
	s.longest = max(s.longest, len(b))
	return len(b), nil
}

// TestTransferLarge: 200,000 names go out in messages of moderate length.
func TestTransferLarge(t *testing.T) {
	r := sampleRegistry
	r.Members = []zones.Member{{Name: "m", Site: "fra", Addresses: addrs("10.16.0.1", "fd12:3456:10::1"), Netspeed: 1}}
	r.Pools = []zones.Pool{{TTL: time.Minute, Answers: 1, Floor: 1}}
	for i := range 80 {
		p := zones.Pool{Name: fmt.Sprintf("tenant%d", i), Include: []string{"m"}, TTL: time.Minute, Answers: 1, Floor: 1}
		r.Pools = append(r.Pools, p)
	}
	s, err := Build(&r, zones.NewAtlas(&r, nil), allIn(&r, zones.In), Options{})
	if err != nil {
		t.Fatal(err)
	}
	to := &sink{}
	c := copying{query: new(dns.Msg).SetAxfr("pool.example.")}
	if err := c.send(s, to, time.Second); err != nil {
		t.Fatal(err)
	}
	if len(s.names) < 200_000 || to.records < len(s.names) || to.longest > transferSize+1024 {
		t.Errorf("%d names, %d records in %d messages of up to %d octets", len(s.names), to.records, to.messages, to.longest)
	}
}
