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
		b.release(a, now)
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
	for _, addr := range v.Addresses {
		v.path[family(addr)].asked, v.path[either].asked = true, true
		if a := b.addrs[addr]; b.isFresh(a, now) {
			v.hear(&a.rows[0].row.Sample, family(addr), a.heard)
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
			if b.addrs[a].standing == zones.In && h.Servable() {
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

// isFresh reports whether the address's last check bears on the present.
func (b *Board) isFresh(a *address, now time.Time) bool {
	return !a.heard.IsZero() && now.Sub(a.heard) <= b.fresh() && !a.heard.Before(b.step)
}

// fresh is how old a check may be to bear on whether we trust ourselves. A
// check of a silent member alone may take ten seconds.
func (b *Board) fresh() time.Duration { return max(3*b.o.Interval, 30*time.Second) }

// settle judges every watched address.
func (b *Board) settle(now time.Time) {
	b.reached = false
	for _, a := range b.watched {
		for _, e := range a.rows {
			b.reached = b.reached || e.row.Reached
		}
	}
	for _, a := range b.watched {
		b.judge(a, now)
	}
}

// judge brings the verdict on a watched address up to date.
func (b *Board) judge(a *address, now time.Time) {
	is := verdict{since: a.since}
	if m, ok := Merge(b.aged(a, now), b.o.Interval); ok {
		// The first at 10 ends the start for newcomers, not for those it let in.
		is.standing = Stand(m, !b.reached || a.early)
		is.early = is.standing == zones.In && !m.In
	}
	b.moved = b.moved || is != a.verdict
	if is.standing != a.standing {
		is.since = now.Round(0)
	}
	a.verdict = is
}

// aged returns the address's Rows with their ages on the clock of its family,
// which is the time that passed while that was not frozen.
func (b *Board) aged(a *address, now time.Time) []Aged {
	rows, clock := make([]Aged, 0, len(a.rows)), b.freezes[family(a.addr)].clock(now)
	for _, e := range a.rows {
		rows = append(rows, Aged{e.row, e.age + clock - e.at, clock - e.first})
	}
	return rows
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

func (b *Board) address(addr netip.Addr) *address {
	a := b.addrs[addr]
	if a == nil {
		a = &address{addr: addr, host: -1, rows: []entry{{row: Row{Sample: Sample{Addr: addr, Vantage: b.o.Vantage}}}}}
		b.addrs[addr] = a
	}
	return a
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
