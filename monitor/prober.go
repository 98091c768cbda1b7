package monitor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Prober checks every watched address at its time and hands each finished
// check to Record. It keeps no verdicts. Fields are set before the first call
// of a method and not changed afterwards.
//
// One goroutine owns the schedule (a heap by due time) and hands one exchange
// after the other to Parallel workers; between the samples of a check an
// address waits in the heap and costs no goroutine.
type Prober struct {
	Vantage  string        // name of the place we probe from, in every Sample
	Interval time.Duration // between two checks of one address; default 64 s
	Samples  int           // exchanges in a check; default 3
	Gap      time.Duration // between the starts of two of them; default 2 s
	Timeout  time.Duration // of one exchange; default 3 s
	Port     uint16        // default 123
	Parallel int           // exchanges under way at once; default 64
	Rate     int           // exchanges begun in a second at most; 0: no bound

	Map              map[netip.Addr]netip.AddrPort // members that are reached elsewhere
	Source4, Source6 netip.Addr                    // local addresses to send from; zero: the kernel's choice
	Device           string                        // interface to send through; "": the kernel's choice

	// Eager spreads the first check of every address over min(8 s, Interval)
	// instead of over its usual period: for a start without trusted state.
	Eager bool

	// Query is one exchange; default Exchange.
	Query func(ctx context.Context, to netip.AddrPort, from Source, timeout time.Duration) Sample
	// Record takes the result of a check and returns the address's Row after
	// it, which steers how often the address is checked. It is called from
	// several goroutines, never twice at once for one address. Needed by Run.
	Record func(Sample) Row
	// Last returns the stored Row of an address, so that pace and kiss codes
	// outlive a restart; nil: there is none. It is called with the schedule
	// locked and must not call the Prober.
	Last func(netip.Addr) (Row, bool)

	Log *slog.Logger // default: nothing is logged

	once    sync.Once
	wake    chan struct{} // something is due earlier than the schedule thought
	rounded chan struct{} // closed after the first round

	mu       sync.Mutex
	running  bool
	targets  map[netip.Addr]*target
	queue    queue
	pending  int // targets that have the first round still before them
	late     int // checks left out since the last word about it
	lateSaid time.Time
}

// target is one watched address. Between take and put it belongs to the worker
// that asks it, but for gone and round, which are guarded by Prober.mu.
type target struct {
	addr    netip.Addr
	phase   phase
	pace    pace
	held    time.Duration // kiss code back-off, 0 when there is none
	due     time.Time
	start   time.Time // of the check under way
	check   tally
	skipped bool // its last slot was left out
	gone    bool // no longer watched; forgotten when it comes by
	round   bool // counted in pending
}

func (p *Prober) init() {
	p.Interval = cmp.Or(p.Interval, 64*time.Second)
	p.Samples = cmp.Or(p.Samples, 3)
	p.Gap = cmp.Or(p.Gap, 2*time.Second)
	p.Timeout = cmp.Or(p.Timeout, 3*time.Second)
	p.Port = cmp.Or(p.Port, 123)
	p.Parallel = cmp.Or(p.Parallel, 64)
	p.Log = cmp.Or(p.Log, slog.New(slog.DiscardHandler))
	if p.Query == nil {
		p.Query = Exchange
	}
	p.wake = make(chan struct{}, 1)
	p.rounded = make(chan struct{})
	p.targets = make(map[netip.Addr]*target)
}

// Watch makes addrs the addresses that are checked: new ones start, missing
// ones stop, the others are left alone. A check under way of an address that
// is dropped is not recorded. It may be called at any time from anywhere.
func (p *Prober) Watch(addrs []netip.Addr) {
	p.once.Do(p.init)
	p.mu.Lock()
	defer p.mu.Unlock()
	want := make(map[netip.Addr]bool, len(addrs))
	now := time.Now()
	for _, a := range addrs {
		want[a] = true
		if t := p.targets[a]; t != nil {
			t.gone = false
			continue
		}
		t := &target{addr: a, phase: phaseOf(p.Vantage, a)}
		p.targets[a] = t
		if p.running {
			p.begin(t, now)
		}
	}
	for a, t := range p.targets {
		if want[a] {
			continue
		}
		t.gone = true
		p.finished(t)
		if !p.running {
			delete(p.targets, a)
		}
	}
}

// FirstRound returns a channel that is closed when every address that was
// watched when Run began has had a check or is no longer watched. Addresses
// that a stored kiss code holds back beyond one interval are not waited for.
func (p *Prober) FirstRound() <-chan struct{} {
	p.once.Do(p.init)
	return p.rounded
}

// Run checks what is watched until ctx ends; then it returns nil, its
// goroutines gone and nothing recorded of checks cut short. It is called once.
func (p *Prober) Run(ctx context.Context) error {
	p.once.Do(p.init)
	if p.Record == nil {
		return errors.New("prober: nothing to record samples with")
	}
	p.open(time.Now())
	work := make(chan *target)
	var workers sync.WaitGroup
	for range p.Parallel {
		workers.Go(func() {
			for t := range work {
				p.probe(ctx, t)
			}
		})
	}
	p.dispatch(ctx, work)
	close(work)
	workers.Wait()
	return nil
}
