package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor/responder"
)

// dipPool is 1,000 members in 20 sites, one of whom has another netspeed in each
// edition.
func dipPool(edition int) string {
	var b strings.Builder
	b.WriteString("zone:\n  name: pool.example\n  nameservers: {ns1.pool.example: [127.0.0.1]}\n  contact: hostmaster@example.org\n  ecs: on\nsites:\n")
	for s := range 20 {
		fmt.Fprintf(&b, "  s%d: {continent: europe, country: de, at: [%d, %d], networks: [10.%d.0.0/16]}\n", s, 40+s%7, s*3, s)
	}
	b.WriteString("members:\n")
	for m := range 1000 {
		fmt.Fprintf(&b, "  - {name: m%d, addresses: [127.%d.%d.%d], site: s%d, netspeed: %d}\n", m, 10+m/250, m%250, 1, m%20, 1000+(m+edition)%50)
	}
	return b.String()
}

// crowd asks as fast as answers come back, with a query under way on each of
// its sockets.
type crowd struct {
	busy  atomic.Bool // which of the two the next samples belong to
	mu    sync.Mutex
	took  [2][]time.Duration
	spent [2]time.Duration
}

func (c *crowd) run(b *testing.B, server string, query []byte, stop chan struct{}) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	reply := make([]byte, 1500)
	var took [2][]time.Duration
	for {
		select {
		case <-stop:
			c.mu.Lock()
			for i := range took {
				c.took[i] = append(c.took[i], took[i]...)
			}
			c.mu.Unlock()
			return
		default:
		}
		state, begin := c.busy.Load(), time.Now()
		conn.SetDeadline(begin.Add(2 * time.Second))
		conn.Write(query)
		if _, err := conn.Read(reply); err != nil || reply[3]&0xF != 0 {
			b.Errorf("no answer: %v, rcode %d", err, reply[3]&0xF)
			return
		}
		i := 0
		if state {
			i = 1
		}
		took[i] = append(took[i], time.Since(begin))
	}
}

// BenchmarkDip asks a whole node in turns of two seconds while it has nothing
// else to do but score 1,000 members (calm) and while it also reads an edited
// registry, builds anew and is scraped every second (busy). It prints what that
// costs: the ratios of queries per second and of the 99th percentile.
func BenchmarkDip(b *testing.B) {
	clock := responder.Server{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")},
		State: func() *responder.State {
			return &responder.State{Stratum: 1, RefID: 0x47505300, RefTime: time.Now(), Precision: -20}
		},
	}
	if err := clock.Open(); err != nil {
		b.Fatal(err)
	}
	go clock.Run(b.Context())
	dir, dnsAt, httpAt := b.TempDir(), freePort(b), freePort(b)
	registry := filepath.Join(dir, "pool.yaml")
	write := func(path, text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			b.Fatal(err)
		}
	}
	write(registry, dipPool(0))
	write(filepath.Join(dir, "timepool.yaml"), fmt.Sprintf(
		"vantage: here\ndata: data\nregistry: pool.yaml\nsocket: s\ndns: {listen: [%q]}\nhttp: {listen: %q}\nprobe: {port: %d, interval: 16s}\nlog: {level: error}\n",
		dnsAt, httpAt, clock.Addrs()[0].Port()))
	node := exec.Command(builtTimepool(b), "serve", "--config", filepath.Join(dir, "timepool.yaml"))
	var said bytes.Buffer
	node.Stdout, node.Stderr = &said, &said
	if err := node.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { node.Process.Signal(syscall.SIGTERM); node.Wait(); b.Log(said.String()) }()
	query := []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04pool\x07example\x00\x00\x01\x00\x01")
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if answered(dnsAt, query) {
			break
		}
		if time.Since(begin) > time.Minute {
			b.Fatal("the node does not answer: ", said.String())
		}
	}
	time.Sleep(3 * time.Second) // the members are all in

	var c crowd
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		asking.Go(func() { c.run(b, dnsAt, query, stop) })
	}
	edition := 0
	for b.Loop() {
		c.busy.Store(false)
		time.Sleep(2 * time.Second)
		c.spent[0] += 2 * time.Second
		c.busy.Store(true)
		for range 2 {
			begin := time.Now()
			edition++
			write(registry, dipPool(edition))
			if r, err := http.Get("http://" + httpAt + "/metrics"); err == nil {
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			time.Sleep(time.Until(begin.Add(time.Second)))
		}
		c.spent[1] += 2 * time.Second
	}
	close(stop)
	asking.Wait()
	var rate, p99 [2]float64
	for i, all := range c.took {
		slices.Sort(all)
		rate[i], p99[i] = float64(len(all))/c.spent[i].Seconds(), float64(all[len(all)*99/100].Microseconds())
	}
	b.ReportMetric(rate[0], "calm-q/s")
	b.ReportMetric(p99[0], "calm-p99-µs")
	b.ReportMetric(rate[1]/rate[0], "busy/calm-q/s")
	b.ReportMetric(p99[1]/p99[0], "busy/calm-p99")
}

func answered(server string, query []byte) bool {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	conn.Write(query)
	reply := make([]byte, 1500)
	n, err := conn.Read(reply)
	return err == nil && n > 12 && reply[3]&0xF == 0
}
