package monitor

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/timepool/timepool/zones"
)

// BoardOptions says how a Board judges.
type BoardOptions struct {
	Vantage  string        // the name of this one; every Sample that is recorded gets it
	Interval time.Duration // between two checks of one address; default 64 s
	Rows     []Row         // what History kept; their age is read off the wall clock, once

	// Keep is handed the Row after every check, in order, once it is decided
	// whether that counts. It is called under the Board's lock: it must neither
	// block nor call the Board. nil: none.
	Keep func(Row)
	// Own reports whether an address is this host's, whose clock cannot vouch
	// for itself. nil: the interfaces are asked at every Watch.
	Own func(netip.Addr) bool
	// References are servers whose word on the clock of this node counts, instead
	// of the members'. Their checks are recorded like those of members.
	References []netip.Addr
	// Smeared is what a leap second that is spread over a day adds to a clock at
	// that instant; where that is in doubt, what comes nearer to offset. nil: no
	// leap second is known, and who smears one is measured wrong.
	Smeared func(at time.Time, offset time.Duration) time.Duration
	// Now is the clock, with its monotonic reading. nil: time.Now.
	Now func() time.Time
	// Wall is the clock that offsets are measured against. nil: that of Now.
	Wall func() time.Time
}

// Board owns the latest Row of every (address, vantage) and folds them into
// Scores. All its decisions are pure functions of those Rows: After, Merge,
// Stand, and the votes of voter.go and clock.go. Methods are safe for concurrent
// use.
type Board struct {
	o       BoardOptions
	changed chan struct{}

	mu           sync.Mutex
	addrs        map[netip.Addr]*address
	watched      []*address
	hosts        []host         // members that are watched, then references
	profile      zones.Profile  // of the registry that is watched
	refids       map[uint32]int // hosts by how those that follow them name them
	step         time.Time      // when the clock of this node was last set, or the Board began
	stepBy       time.Duration
	wall, wallAt time.Time // Wall when last asked, and Now then
	references   []*reference
	waiting      map[*address]bool // those that hold checks back
	quiet        map[string]bool   // sites most of whose members fell silent together
	reached      bool              // a watched address has been at 10
	trusted      bool              // see Trusted
	unheard      int               // watched addresses that this process has not checked
	moved        bool              // some Standing changed since the last signal

	freezes [either]freeze // by family
	votes   int            // hosts that vouched for the clock when last asked
	told    state          // when last signalled
}

// address is what the Board knows of one.
type address struct {
	addr  netip.Addr
	rows  []entry   // one a vantage, the first is this one's own
	heard time.Time // when this process last got a check; zero: never
	held  []held    // checks that do not count yet, oldest first
	host  int       // index into Board.hosts; −1: it is not watched, and has no verdict
	verdict
}

// entry is one Row and what this process knows about when it came.
type entry struct {
	row   Row
	age   time.Duration // of the row's verdict at …
	at    time.Duration // … this time of the Board's clock
	first time.Duration // when the first check was, on that clock
}

// verdict is what stands for a watched address.
type verdict struct {
	standing zones.Standing
	early    bool
	since    time.Time
}

// NewBoard returns a Board that watches nothing yet.
func NewBoard(o BoardOptions) *Board {
	o.Interval = cmp.Or(o.Interval, 64*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wall == nil {
		o.Wall = func() time.Time { return o.Now().Round(0) }
	}
	now := o.Now()
	b := &Board{
		o: o, changed: make(chan struct{}, 1), addrs: map[netip.Addr]*address{}, waiting: map[*address]bool{},
		freezes: [either]freeze{{mark: now}, {mark: now}}, step: now, wall: o.Wall(), wallAt: now,
	}
	for _, r := range o.Rows {
		a, e := b.address(r.Addr), entry{row: r, age: max(0, now.Sub(r.Time)), first: -max(0, now.Sub(r.First))}
		if r.Vantage == o.Vantage {
			a.rows[0] = e
		} else {
			a.rows = append(a.rows, e)
		}
	}
	b.o.Rows = nil
	for _, a := range o.References {
		b.references = append(b.references, &reference{addr: a})
	}
	return b
}

// Watch makes the Board judge the registry's addresses, all but those of
// members that are off. Rows of others are kept and not judged. It needs the
// members and not only their addresses: one host that falls silent on both of
// its addresses is one that fell silent, not two.
func (b *Board) Watch(reg *zones.Registry) {
	own := b.o.Own
	if own == nil {
		own = ownAddrs()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, old := b.o.Now(), b.watched
	for _, a := range old {
		a.host = -1
	}
	b.watched, b.hosts, b.profile = nil, nil, reg.Profile()
	b.refids = map[uint32]int{}
	b.unheard = 0
	warm := 0
	var begun []*address
	for i := range reg.Members {
		m := &reg.Members[i]
		if m.State == zones.Off {
			continue
		}
		for _, addr := range m.Addresses {
			a := b.address(addr)
			a.host = len(b.hosts)
			if a.since.IsZero() {
				a.since = now.Round(0)
				begun = append(begun, a)
			}
			b.watched = append(b.watched, a)
			if id := refIDOf(addr); id != 0 {
				b.refids[id] = a.host
			}
			if a.heard.IsZero() {
				b.unheard++
				warm += truth(!a.rows[0].row.Time.IsZero() && a.rows[0].age < trustFor)
			}
		}
		b.hosts = append(b.hosts, host{Member: m, own: slices.ContainsFunc(m.Addresses, own)})
	}
	for _, r := range b.references {
		if a := b.address(r.addr); a.host < 0 {
			m := &zones.Member{Addresses: []netip.Addr{r.addr}}
			b.hosts = append(b.hosts, host{Member: m, own: own(r.addr), reference: true})
		}
	}
	for _, a := range old {
		if a.host < 0 {
			a.verdict = verdict{}
		}
	}
	b.trusted = b.trusted || b.unheard == 0 || 2*warm > len(b.watched)
	b.settle(now)
	for _, a := range begun {
		// A restart is no change: what is restored is dated from when it first stood.
		if r := &a.rows[0].row; r.Checks > 0 && (a.early || r.In == (a.standing == zones.In)) {
			a.since = r.Since
		}
	}
	b.moved = true
	b.tell()
}

// Record takes a check in and returns the Row of its address. One that is not
// good moves the Row as soon as the others have vouched that it is not our own
// fault (held.go).
func (b *Board) Record(s Sample) Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, a := b.o.Now(), b.address(s.Addr)
	s.Vantage = b.o.Vantage
	watched, first := a.host >= 0, a.heard.IsZero()
	b.unsmear(&s, watched && b.hosts[a.host].Smear)
	a.heard = now
	b.stepped(now)
	refers := false
	for _, r := range b.references {
		if r.addr == s.Addr {
			r.hear(&s, now)
			refers = true
		}
	}
	if watched && first {
		b.unheard--
		b.trusted = b.trusted || b.unheard == 0
	}
	if watched && valid(&s) {
		s.Invalid = b.loop(&s, a.host, now)
	}
	a.rows[0].row.Sample = s
	suspect := suspectOf(s, b.profile)
	a.held = append(a.held, held{Sample: s, at: now, suspect: suspect})
	// A good check sows no doubt, so most cost no look at all the others.
	if b.state().frozen != [either]bool{} || first || refers || suspect != nobody || len(b.waiting) > 0 {
		b.doubt(now, false)
	}
	b.release(a, now)
	if a.rows[0].row.Reached && !b.reached {
		b.settle(now)
	}
	b.tell()
	return a.rows[0].row
}

// Run re-judges once a second, because time alone changes verdicts: rows grow
// old, the early minutes end, a doubt passes. It returns when ctx is done.
func (b *Board) Run(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			b.tick()
		}
	}
}

func (b *Board) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now()
	b.doubt(now, true)
	b.settle(now)
	b.tell()
}
