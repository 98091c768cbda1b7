package monitor

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/timepool/timepool/zones"
)

// field is what a Prober probes in these tests: it answers, keeps rows as a
// board would, and fails the test when an address is asked twice at once.
type field struct {
	t      testing.TB
	mu     sync.Mutex
	busy   map[netip.Addr]bool
	asked  map[netip.Addr][]time.Time // starts of exchanges
	rows   map[netip.Addr]Row
	checks map[netip.Addr][]Sample
	answer func(a netip.Addr, n int) Sample // n: exchanges with a so far
}

func newField(t testing.TB) *field {
	return &field{t: t, busy: map[netip.Addr]bool{}, asked: map[netip.Addr][]time.Time{}, rows: map[netip.Addr]Row{},
		checks: map[netip.Addr][]Sample{}, answer: func(netip.Addr, int) Sample { return one(time.Millisecond) }}
}

func (f *field) query(ctx context.Context, to netip.AddrPort, _ Source, timeout time.Duration) Sample {
	a := to.Addr()
	f.mu.Lock()
	if f.busy[a] {
		f.t.Errorf("%v is asked twice at once", a)
	}
	f.busy[a] = true
	s := f.answer(a, len(f.asked[a]))
	f.asked[a] = append(f.asked[a], time.Now())
	f.mu.Unlock()
	took := s.RTT
	if s.Outcome == Silent {
		took = timeout
	}
	sleep(ctx, took)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[a] = false
	return s
}

func (f *field) record(s Sample) Row {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Sent == 0 || s.Time.IsZero() {
		f.t.Errorf("recorded %+v", s)
	}
	f.checks[s.Addr] = append(f.checks[s.Addr], s)
	r := f.rows[s.Addr]
	r.Sample, r.Score = s, Next(r.Score, s, zones.NTPPool())
	if step, _, _, _ := Judge(s, zones.NTPPool()); step < GoodStep {
		r.Bad++
	}
	r.Reached = r.Reached || r.Score >= 10
	f.rows[s.Addr] = r
	return r
}

func (f *field) last(a netip.Addr) (Row, bool) { r, ok := f.rows[a]; return r, ok }

// settled makes every address one that has long been in.
func (f *field) settled(addrs []netip.Addr) {
	for _, a := range addrs {
		f.rows[a] = Row{Reached: true, Score: BestScore}
	}
}

func (f *field) prober() *Prober {
	return &Prober{Vantage: "fra", Query: f.query, Record: f.record, Last: f.last}
}

// run probes for so long and returns when all goroutines are gone.
func run(t *testing.T, p *Prober, d time.Duration) {
	t.Helper()
	if err := p.Run(ending(t, d)); err != nil {
		t.Error(err)
	}
}

// ending returns a context that ends after d of a bubble's time. WithTimeout would
// start a goroutine from a timer there, by which the race detector crashes now and
// then (go.dev/issue/78156).
func ending(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		time.Sleep(d)
		cancel()
	}()
	return ctx
}

func TestEveryIntervalWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(50)
		f.answer = func(a netip.Addr, n int) Sample {
			if a == all[7] {
				return lost
			}
			return one(time.Duration(n) * time.Millisecond)
		}
		f.settled(all)
		p := f.prober()
		p.Watch(all)
		run(t, p, 20*64*time.Second)
		for _, a := range all {
			starts := f.asked[a]
			if n := len(starts); n < 57 || n > 60 {
				t.Errorf("%v: %d exchanges in 20 intervals", a, n)
			}
			for i := 3; i < len(starts); i += 3 {
				if d := starts[i].Sub(starts[i-3]); d != 64*time.Second {
					t.Errorf("%v: %v between checks", a, d)
				}
			}
		}
	})
}

// A new member is asked every 8 s with one sample until it is in, then every
// interval with three; one failure ends its probation.
func TestEarningPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(3)
		f.answer = func(a netip.Addr, n int) Sample {
			if a == all[1] && n == 5 {
				return lost
			}
			return one(time.Millisecond)
		}
		p := f.prober()
		p.Watch(all)
		run(t, p, 20*time.Minute)
		for i, fast := range []int{14, 6, 14} {
			checks := f.checks[all[i]]
			for n, s := range checks {
				if n > 0 && n < fast && s.Time.Sub(checks[n-1].Time).Round(time.Second)%(8*time.Second) > 3*time.Second {
					t.Errorf("address %d: check %d came after %v", i, n, s.Time.Sub(checks[n-1].Time))
				}
				if want := 3 - 2*min(1, max(0, fast-n)); s.Sent != want {
					t.Errorf("address %d: check %d had %d samples, want %d", i, n, s.Sent, want)
				}
			}
			if d := checks[fast-1].Time.Sub(checks[0].Time); d < time.Duration(fast-1)*8*time.Second || d > time.Duration(fast-1)*8*time.Second+3*time.Second {
				t.Errorf("address %d: %d fast checks took %v", i, fast, d)
			}
			if d := checks[fast+1].Time.Sub(checks[fast].Time); d != 64*time.Second {
				t.Errorf("address %d: later every %v", i, d)
			}
		}
	})
}

func TestKissCodesSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(2)
		f.settled(all)
		f.answer = func(a netip.Addr, n int) Sample {
			switch {
			case a == all[0] && n < 6:
				return Sample{Kiss: "RATE", Sent: 1}
			case a == all[1] && n < 2:
				return Sample{Kiss: "DENY", Sent: 1}
			case a == all[1] && n == 2:
				return lost
			}
			return one(time.Millisecond)
		}
		p := f.prober()
		p.Watch(all)
		run(t, p, 5*time.Hour)
		const s, h = time.Second, time.Hour
		for i, want := range [][]time.Duration{{128 * s, 256 * s, 512 * s, 960 * s, 960 * s, 960 * s}, {h, h, h}} {
			for n, d := range want {
				if got := f.asked[all[i]][n+1].Sub(f.asked[all[i]][n]); got != d {
					t.Errorf("address %d: exchange %d came after %v, want %v", i, n+1, got, d)
				}
			}
			checks := f.checks[all[i]]
			last := checks[len(checks)-1]
			if d := last.Time.Sub(checks[len(checks)-2].Time); d != 64*time.Second || last.Sent != 3 {
				t.Errorf("address %d: when all is well again every %v with %d samples", i, d, last.Sent)
			}
		}
	})
}

// A restart does not forget who asked to be left alone, and does not wait for
// them before it says that the first round is done.
func TestKissCodesOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(4)
		f.settled(all)
		start := time.Now()
		stored := func(kiss string, ago time.Duration) Row {
			return Row{Reached: true, Sample: Sample{Kiss: kiss, Time: start.Add(-ago).Round(0)}}
		}
		f.rows[all[0]] = stored("DENY", 20*time.Minute)
		f.rows[all[1]] = stored("RATE", 28*time.Second)
		f.rows[all[2]] = stored("RSTR", -time.Hour) // written by a clock that was ahead
		p := f.prober()
		p.Eager = true
		p.Watch(all)
		go func() {
			<-p.FirstRound()
			if d := time.Since(start); d > 13*time.Second {
				t.Errorf("first round took %v", d)
			}
		}()
		run(t, p, 61*time.Minute)
		for i, want := range []time.Duration{40 * time.Minute, 100 * time.Second, time.Hour} {
			if got := f.asked[all[i]][0].Sub(start); got != want {
				t.Errorf("address %d first asked after %v, want %v", i, got, want)
			}
		}
	})
}

func TestFirstRound(t *testing.T) {
	for name, tt := range map[string]struct {
		eager  bool
		within time.Duration
	}{
		"eager":      {true, 8*time.Second + 9*time.Second},
		"in its own": {false, 64*time.Second + 9*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, all := newField(t), addrs(1000)
				f.settled(all)
				f.answer = func(a netip.Addr, _ int) Sample {
					if a.Is6() {
						return lost
					}
					return one(time.Millisecond)
				}
				p := f.prober()
				p.Eager, p.Parallel = tt.eager, 1000
				p.Watch(append(all[:10:10], addrs(1010)[1000:]...))
				p.Watch(all)
				ctx, cancel := context.WithCancel(t.Context())
				start := time.Now()
				go func() {
					time.Sleep(time.Second)
					p.Watch(all[1:]) // one leaves, at most one in eight has been asked
				}()
				go func() {
					<-p.FirstRound()
					if d := time.Since(start); d > tt.within || d < tt.within/2 {
						t.Errorf("first round took %v", d)
					}
					f.mu.Lock()
					for _, a := range all[1:] {
						if len(f.checks[a]) == 0 {
							t.Errorf("%v has not been checked", a)
						}
					}
					f.mu.Unlock()
					cancel()
				}()
				if err := p.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestFirstRoundOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newField(t).prober()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-p.FirstRound(); cancel() }()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(4)
		f.settled(all[:2])
		f.answer = func(a netip.Addr, n int) Sample {
			if a == all[1] {
				return lost
			}
			return one(time.Millisecond)
		}
		p := f.prober()
		p.Eager, p.Timeout = true, 20*time.Second
		p.Watch(all[:2])
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()

		time.Sleep(10 * time.Second) // all[0] is between two checks, all[1] in one
		p.Watch(all[2:])
		p.Watch(all[1:])
		p.Watch(all[2:])
		at := time.Now()
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		for i, a := range all {
			was := func(s Sample) bool { return s.Time.After(at) }
			if after := slices.ContainsFunc(f.checks[a], was); after != (i >= 2) {
				t.Errorf("address %d checked after the change: %v", i, after)
			}
		}
		if first := f.asked[all[3]][0].Sub(at); first > 8*time.Second {
			t.Errorf("a new address waited %v", first)
		}
		f.mu.Unlock()
		p.Watch(nil)
		time.Sleep(2 * time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.targets) != 0 || len(p.queue) != 0 {
			t.Errorf("%d targets, %d in the queue after all left", len(p.targets), len(p.queue))
		}
	})
}

// The demo: nine members each second, a dead one whose check takes longer than
// the interval.
func TestShortInterval(t *testing.T) {
	for _, timeout := range []time.Duration{200 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f, all := newField(t), addrs(9)
			f.settled(all)
			f.answer = func(a netip.Addr, _ int) Sample {
				if a == all[4] {
					return lost
				}
				return one(time.Millisecond)
			}
			p := f.prober()
			p.Interval, p.Gap, p.Timeout, p.Parallel = time.Second, 50*time.Millisecond, timeout, 4
			p.Watch(all)
			run(t, p, 60*time.Second)
			for i, a := range all {
				want := 60
				if i == 4 && timeout > time.Second {
					want = 6 // each takes 9 s and the next slot is the tenth
				}
				if n := len(f.checks[a]); n < want-1 || n > want {
					t.Errorf("timeout %v, address %d: %d checks in a minute, want %d", timeout, i, n, want)
				}
			}
		})
	}
}

// When everything stood still for minutes nothing of it is made up for.
func TestNoBurstAfterAStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(2000)
		f.settled(all)
		stuck := time.Now().Add(3*time.Minute + 10*time.Second)
		until := stuck.Add(10 * time.Minute)
		f.answer = func(netip.Addr, int) Sample {
			if now := time.Now(); now.After(stuck) && now.Before(until) {
				return one(until.Sub(now))
			}
			return one(0)
		}
		var log bytes.Buffer
		p := f.prober()
		p.Samples, p.Parallel = 1, 1
		p.Log = slog.New(slog.NewTextHandler(&log, nil))
		p.Watch(all)
		run(t, p, 20*time.Minute)
		perSecond, total := map[int64]int{}, 0
		for _, a := range all {
			for _, at := range f.asked[a] {
				if !at.Before(until) {
					perSecond[at.Unix()]++
					total++
				}
			}
		}
		burst := perSecond[until.Unix()]
		delete(perSecond, until.Unix())
		for s, n := range perSecond {
			if n > 65 {
				t.Errorf("%d checks in second %d after the standstill, usual are 31", n, s-until.Unix())
			}
		}
		if burst > 1100 { // those that are late by less than half an interval
			t.Errorf("%d of %d checks at once after the standstill", burst, len(all))
		}
		if total < 5*len(all) || !strings.Contains(log.String(), "checks left out") {
			t.Errorf("%d checks in the minutes after; log: %s", total, &log)
		}
	})
}

// Too few workers make everybody late, not one of them starve.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := newField(t), addrs(200)
		f.settled(all)
		f.answer = func(netip.Addr, int) Sample { return one(time.Second) }
		p := f.prober()
		p.Samples, p.Parallel = 1, 2
		p.Watch(all)
		run(t, p, 64*time.Minute)
		for _, a := range all {
			if n := len(f.checks[a]); n < 64/3 {
				t.Errorf("%v was checked %d times, every third interval is 21", a, n)
			}
		}
	})
}

// The real thing: sockets on loopback, and Run leaves no goroutine behind.
func TestProberOverTheWire(t *testing.T) {
	noLeaks(t)
	far, dead, limited := netip.MustParseAddr("10.16.0.12"), netip.MustParseAddr("10.16.0.13"), netip.MustParseAddr("10.16.0.14")
	p := &Prober{Interval: 50 * time.Millisecond, Gap: time.Millisecond, Timeout: 100 * time.Millisecond, Eager: true,
		Map: map[netip.Addr]netip.AddrPort{
			fra1:    serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q) }),
			far:     serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q).at(time.Now().Add(time.Hour)) }),
			dead:    serveNTP(t, "127.0.0.1:0", func([]byte) []byte { return nil }),
			limited: serveNTP(t, "127.0.0.1:0", func(q []byte) []byte { return answer(q).kiss("RATE") }),
		}}
	samples := make(chan Sample, 1000)
	p.Record = func(s Sample) Row { samples <- s; return Row{Sample: s, Reached: true} }
	p.Watch(slices.Collect(maps.Keys(p.Map)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen, done := map[string]int{}, make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		select {
		case <-p.FirstRound():
		case <-ctx.Done():
		}
		for min(seen["good"], seen["far"], seen["dead"], seen["limited"]) < 2 && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case s := <-samples:
				switch step, _, _, _ := Judge(s, zones.NTPPool()); {
				case s.Addr == fra1 && step == 1:
					seen["good"]++
				case s.Addr == far && step == -4 && s.Offset > 59*time.Minute:
					seen["far"]++
				case s.Addr == dead && s.Outcome == Silent && s.Lost == 3:
					seen["dead"]++
				case s.Addr == limited && step == -3.5:
					seen["limited"]++
				}
			}
		}
	}()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	<-done
	if min(seen["good"], seen["far"], seen["dead"], seen["limited"]) < 2 {
		t.Errorf("seen: %v", seen)
	}
}

func TestRunNeedsARecord(t *testing.T) {
	if err := new(Prober).Run(t.Context()); err == nil {
		t.Error("runs without Record")
	}
}

// BenchmarkProber is one check in the schedule of 100,000 addresses, without
// the network.
func BenchmarkProber(b *testing.B) {
	all := addrs(100_000)
	ctx := context.Background()
	p := &Prober{Samples: 1, Record: func(s Sample) Row { return Row{Sample: s, Reached: true} },
		Query: func(context.Context, netip.AddrPort, Source, time.Duration) Sample { return one(0) }}
	p.Watch(all)
	p.open(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		p.mu.Lock()
		due := p.queue[0].due
		p.mu.Unlock()
		t, _ := p.take(due)
		p.probe(ctx, t)
	}
}

func BenchmarkWatch(b *testing.B) {
	all := addrs(100_000)
	for b.Loop() {
		new(Prober).Watch(all)
	}
}

// With a rate no more exchanges begin, however many are due, and all still come
// about.
// TestLag: a rate that is too low for so many shows.
func TestLag(t *testing.T) {
	for rate, late := range map[int]bool{10: true, 0: false} {
		synctest.Test(t, func(t *testing.T) {
			p := newField(t).prober()
			p.Rate, p.Eager, p.Parallel = rate, true, 500
			p.Watch(addrs(500))
			run(t, p, 20*time.Second)
			if lag := p.Lag(); (lag > 5*time.Second) != late || !late && lag > 0 {
				t.Errorf("rate %d: checks are late by %v", rate, lag)
			}
		})
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(t)
		all := addrs(500)
		p := f.prober()
		p.Rate, p.Eager, p.Parallel = 100, true, 500
		p.Watch(all)
		run(t, p, 64*time.Second)
		var starts []time.Time
		for _, a := range all {
			if len(f.asked[a]) == 0 {
				t.Fatalf("%v was never asked", a)
			}
			starts = append(starts, f.asked[a]...)
		}
		slices.SortFunc(starts, time.Time.Compare)
		for i := range starts[:len(starts)-100] {
			if d := starts[i+100].Sub(starts[i]); d < time.Second-2*rateBurst {
				t.Fatalf("a hundred exchanges within %v", d)
			}
		}
	})
}
