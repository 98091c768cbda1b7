package monitor

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/timepool/timepool/zones"
)

// The methods here are called with the lock held.

// doubt decides whether this vantage trusts itself, from fresh checks only, and
// lets what was held back count, or not, as far as that is clear now.
//
// With very many hosts a look at all of them is put off until Run takes it, each
// second, unless it must be now: what is not good waits for it.
func (b *Board) doubt(now time.Time, must bool) {
	if !must && len(b.hosts) > 1000 {
		return
	}
	b.stepped(now)
	hosts := b.voters(now)
	b.quiet = b.quietSites(hosts)
	clock, right := b.clockDoubt(hosts, now)
	down, up := networkVote(hosts, now)
	for f := range b.freezes {
		b.freezes[f].set(cmp.Or(clock, down[f]), now)
		b.freezes[f].vouched = [...]time.Time{ourClock: right, ourNetwork: later(up[f], now.Add(-b.fresh()))}
	}
	for a := range b.waiting {
		b.release(b.find(Key{a, b.o.Vantage}), now)
	}
}

// voters boils the fresh checks of each host down.
func (b *Board) voters(now time.Time) []voter {
	voters := make([]voter, len(b.hosts))
	for i := range b.hosts {
		voters[i] = b.voter(i, now)
	}
	return voters
}

func (b *Board) voter(i int, now time.Time) voter {
	v := voter{host: b.hosts[i]}
	for _, a := range v.Addresses {
		v.path[family(a)].asked, v.path[either].asked = true, true
		if e := b.find(Key{a, b.o.Vantage}); e != nil && b.isFresh(e, now) {
			v.hear(&e.row.Sample, family(a), e.heard)
		}
	}
	return v
}

// quietSites returns the sites of which more than half of those that are In, and
// two at least, do not answer: they would all be out at once.
func (b *Board) quietSites(hosts []voter) map[string]bool {
	in, silent := map[string]int{}, map[string]int{}
	for i := range hosts {
		h := &hosts[i]
		for _, a := range h.Addresses {
			if v := b.watched[a]; v != nil && v.standing == zones.In && h.Servable() {
				in[h.Site]++
				silent[h.Site] += truth(h.silent())
				break
			}
		}
	}
	quiet := map[string]bool{}
	for site, n := range silent {
		quiet[site] = n >= 2 && 2*n > in[site]
	}
	return quiet
}

// isFresh reports whether the entry's last check bears on the present.
func (b *Board) isFresh(e *entry, now time.Time) bool {
	return !e.heard.IsZero() && now.Sub(e.heard) <= b.fresh() && !e.heard.Before(b.step)
}

// fresh is how old a check may be to bear on whether we trust ourselves. A
// check of a silent member alone may take ten seconds.
func (b *Board) fresh() time.Duration { return max(3*b.o.Interval, 30*time.Second) }

// settle judges every watched address.
func (b *Board) settle(now time.Time) {
	b.reached = false
	for a := range b.watched {
		for _, e := range b.entries[a] {
			b.reached = b.reached || e.row.Reached
		}
	}
	for a, v := range b.watched {
		b.judge(a, v, now)
	}
}

// judge brings one verdict up to date.
func (b *Board) judge(a netip.Addr, v *verdict, now time.Time) {
	standing, early := zones.Out, false
	if m, ok := Merge(b.aged(a, now), b.o.Interval); ok {
		// The first at 10 ends the start for newcomers, not for those it let in.
		standing = Stand(m, !b.reached || v.early)
		early = standing == zones.In && !m.In
	}
	if standing != v.standing {
		v.since = now.Round(0)
	}
	b.moved = b.moved || standing != v.standing || early != v.early
	v.standing, v.early = standing, early
}

// aged returns the address's Rows with their ages on the Board's clock.
func (b *Board) aged(a netip.Addr, now time.Time) []Aged {
	rows, clock := make([]Aged, 0, len(b.entries[a])), b.clock(a, now)
	for _, e := range b.entries[a] {
		rows = append(rows, Aged{e.row, e.age + clock - e.at, clock - e.first})
	}
	return rows
}

// clock is the time that passed while the address's family was not frozen; ages
// are read off it.
func (b *Board) clock(a netip.Addr, now time.Time) time.Duration {
	return b.freezes[family(a)].clock(now)
}

// freeze says why the scores of one family stand, and while they move, which
// checks that are not good may count.
type freeze struct {
	why     string        // "" when they move
	elapsed time.Duration // time they moved, up to mark
	mark    time.Time
	vouched [3]time.Time // by suspect: up to when it is not to blame
}

func (f *freeze) set(why string, now time.Time) {
	if (why == "") != (f.why == "") {
		f.elapsed, f.mark = f.clock(now), now
	}
	f.why = why
}

func (f *freeze) clock(now time.Time) time.Duration {
	if f.why != "" {
		return f.elapsed
	}
	return f.elapsed + now.Sub(f.mark)
}

func (b *Board) find(k Key) *entry {
	for _, e := range b.entries[k.Addr] {
		if e.row.Vantage == k.Vantage {
			return e
		}
	}
	return nil
}

func (b *Board) entry(k Key) *entry {
	e := b.find(k)
	if e == nil {
		e = &entry{row: Row{Sample: Sample{Addr: k.Addr, Vantage: k.Vantage}}}
		b.entries[k.Addr] = append(b.entries[k.Addr], e)
	}
	return e
}

func (b *Board) keep(r Row) {
	if b.o.Keep != nil {
		b.o.Keep(r)
	}
}

// state is what Changed watches besides the Standings.
type state struct {
	frozen             [either]bool // by family
	unvouched, trusted bool
}

func (b *Board) state() state {
	s := state{frozen: [either]bool{b.freezes[0].why != "", b.freezes[1].why != ""}, trusted: b.trusted}
	s.unvouched = s.frozen == [either]bool{} && b.votes < 3 && len(b.references) == 0 && b.unheard == 0 && len(b.watched) > 0
	return s
}

// tell signals if anything changed since it last did.
func (b *Board) tell() {
	if s := b.state(); b.moved || s != b.told {
		b.moved, b.told = false, s
		select {
		case b.changed <- struct{}{}:
		default:
		}
	}
}
