package resolver

import (
	"maps"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/timepool/timepool/zones"
)

// BenchmarkFlow asks a server of the planet's 5,000 members, from places all over
// it, in turns of two seconds while nothing moves (calm) and while each second one
// member in fifty crosses 10 and all is built anew (busy). It prints what that
// costs those who ask, with the scheduler and workers as serve has them.
func BenchmarkFlow(b *testing.B) {
	r, a := planet(b, 5000)
	scores := allIn(r, zones.In)
	last, err := Build(r, a, scores, Options{})
	if err != nil {
		b.Fatal(err)
	}
	workers := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * workers))
	s := serving(b, nil, Config{Loops: workers}, "127.0.0.1:0")
	s.Publish(last)

	const pause = 200 * time.Microsecond // between two queries of one asker: the machine is not full
	var busy atomic.Bool
	var mu sync.Mutex
	var took [2][]time.Duration
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for n := range 8 {
		conn, err := net.Dial("udp", s.Addrs()[0].String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		q := new(dns.Msg).SetQuestion("pool.example.", dns.TypeA).SetEdns0(1232, false)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(byte(20+20*n), 7, 7, 0)}}
		query, err := q.Pack()
		if err != nil {
			b.Fatal(err)
		}
		asking.Go(func() {
			var mine [2][]time.Duration
			for reply := make([]byte, 1500); ; {
				select {
				case <-stop:
					mu.Lock()
					defer mu.Unlock()
					for i := range mine {
						took[i] = append(took[i], mine[i]...)
					}
					return
				default:
				}
				i, begin := 0, time.Now()
				if busy.Load() {
					i = 1
				}
				conn.SetDeadline(begin.Add(5 * time.Second))
				conn.Write(query)
				if _, err := conn.Read(reply); err != nil || reply[7] == 0 {
					b.Errorf("no answer: %v", err)
					return
				}
				mine[i] = append(mine[i], time.Since(begin))
				time.Sleep(pause)
			}
		})
	}
	var spent [2]time.Duration
	all, builds := maps.Clone(scores), 0
	for b.Loop() {
		turn := time.Now()
		busy.Store(false)
		time.Sleep(2 * time.Second)
		busy.Store(true)
		spent[0] += time.Since(turn)
		turn = time.Now()
		for range 2 {
			begin := time.Now()
			scores = maps.Clone(all)
			for m := range len(r.Members) / 50 {
				for _, addr := range r.Members[(m*7+builds)%len(r.Members)].Addresses {
					delete(scores, addr)
				}
			}
			if last, err = Build(r, a, scores, Options{Previous: last, Workers: max(1, workers/2)}); err != nil {
				b.Fatal(err)
			}
			s.Publish(last)
			builds++
			time.Sleep(time.Until(begin.Add(time.Second)))
		}
		spent[1] += time.Since(turn)
	}
	close(stop)
	asking.Wait()
	var p99, rate [2]float64
	for i := range took {
		rate[i] = float64(len(took[i])) / spent[i].Seconds()
		slices.Sort(took[i])
		p99[i] = float64(took[i][len(took[i])*99/100].Microseconds())
	}
	b.ReportMetric(p99[0], "calm-p99-µs")
	b.ReportMetric(p99[1]/p99[0], "busy/calm-p99")
	b.ReportMetric(rate[1]/rate[0], "busy/calm-q/s")
}
