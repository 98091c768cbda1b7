package resolver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/timepool/timepool/zones"
)

// askEnv makes the test's program one that asks the server at this address, so
// that those who wait for replies do not wait for the scheduler of the process
// that builds.
const askEnv = "TIMEPOOL_TEST_ASK"

func TestMain(m *testing.M) {
	if addr := os.Getenv(askEnv); addr != "" {
		askOn(netip.MustParseAddrPort(addr))
		return
	}
	os.Exit(m.Run())
}

// phase is what askOn saw in one phase.
type phase struct{ Queries, P99 float64 } // P99 in µs

// askOn has eight askers, each from a part of the planet of its own, send the next
// query 200 µs after the last one's reply, so that the machine is not full. It
// prints what they saw between any two lines on standard input.
func askOn(server netip.AddrPort) {
	var now atomic.Int32 // the phase; below 0: stop
	var asking sync.WaitGroup
	took := make([]map[int32][]time.Duration, 8)
	for n := range took {
		took[n] = map[int32][]time.Duration{}
		asking.Go(func() {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0) // reads wait in the kernel
			if err != nil {
				panic(err)
			}
			if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}); err != nil {
				panic(err)
			}
			q := new(dns.Msg).SetQuestion("pool.example.", dns.TypeA).SetEdns0(1232, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(byte(20+20*n), 7, 7, 0)}}
			query, err := q.Pack()
			if err != nil {
				panic(err)
			}
			runtime.LockOSThread()
			reply, pause := make([]byte, 1500), unix.NsecToTimespec(int64(200*time.Microsecond))
			for i := now.Load(); i >= 0; i = now.Load() {
				begin := time.Now()
				if _, err := unix.Write(fd, query); err != nil {
					panic(err)
				}
				if _, err := unix.Read(fd, reply); err != nil || reply[7] == 0 {
					panic(fmt.Sprint("no answer: ", err))
				}
				took[n][i] = append(took[n][i], time.Since(begin))
				unix.Nanosleep(&pause, nil)
			}
		})
	}
	phases := int32(0)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); phases++ {
		now.Store(phases + 1)
	}
	now.Store(-1)
	asking.Wait()
	out := json.NewEncoder(os.Stdout)
	for i := range phases {
		var all []time.Duration
		for n := range took {
			all = append(all, took[n][i]...)
		}
		slices.Sort(all)
		out.Encode(phase{Queries: float64(len(all)), P99: float64(all[len(all)*99/100].Nanoseconds()) / 1000})
	}
}

// BenchmarkFlow asks a server of the planet's 5,000 members, from places all over
// it, in turns of two seconds while nothing moves (calm) and while each second one
// member in fifty crosses 10 and all is built anew (busy), with the scheduler and
// workers as serve has them. It prints what that costs those who ask: the medians
// of the ratios of two neighbouring turns, for what else befalls the machine.
func BenchmarkFlow(b *testing.B) {
	r, a := planet(b, 5000)
	scores := allIn(r, zones.In)
	last, err := Build(r, a, scores, Options{})
	if err != nil {
		b.Fatal(err)
	}
	workers := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * workers))
	s := serving(b, nil, Config{Loops: workers, Precede: true}, "127.0.0.1:0")
	s.Publish(last)

	asker := exec.Command(os.Args[0])
	asker.Env, asker.Stderr = append(os.Environ(), askEnv+"="+s.Addrs()[0].String()), os.Stderr
	turn, err := asker.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	saw, err := asker.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := asker.Start(); err != nil {
		b.Fatal(err)
	}
	all, builds, turns := maps.Clone(scores), 0, 0
	for b.Loop() {
		time.Sleep(2 * time.Second)
		io.WriteString(turn, "\n")
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
		io.WriteString(turn, "\n")
		turns++
	}
	turn.Close()
	var calm, slower, fewer []float64
	for in := json.NewDecoder(saw); len(calm) < turns; {
		var before, during phase
		if err := errors.Join(in.Decode(&before), in.Decode(&during)); err != nil {
			b.Fatal(err)
		}
		calm = append(calm, before.P99)
		slower, fewer = append(slower, during.P99/before.P99), append(fewer, during.Queries/before.Queries)
	}
	if err := asker.Wait(); err != nil {
		b.Fatal(err)
	}
	median := func(of []float64) float64 { slices.Sort(of); return of[len(of)/2] }
	b.ReportMetric(median(calm), "calm-p99-µs")
	b.ReportMetric(median(slower), "busy/calm-p99")
	b.ReportMetric(median(fewer), "busy/calm-q/s")
}
