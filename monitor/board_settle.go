package monitor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/timepool/timepool/zones"
)

// The methods here are called with the lock held.

// doubt decides whether this vantage trusts itself, from fresh checks only.
// When it begins to doubt, it takes back what the last checks did to those
// that were good before: that was the first we saw of our own fault.
//
// With very many hosts a look at all of them is put off for a moment, unless it
// must be now: taking back mends what comes between.
func (b *Board) doubt(now time.Time, must bool) {
	if n := time.Duration(len(b.hosts)); !must && n > 1000 && now.Sub(b.looked) < n*20*time.Microsecond {
		return
	}
	b.looked = now
	b.stepped(now)
	hosts := b.voters(now)
	b.quiet = b.quietSites(hosts)
	why := b.clockDoubt(hosts, now)
	if down := networkDown(hosts); down != "" && !slices.ContainsFunc(b.references, func(r *reference) bool { return !r.at.IsZero() && now.Sub(r.at) <= b.fresh() }) {
		why = down
	}
	begins := why != "" && b.frozen == ""
	if begins || why == "" && b.frozen != "" {
		b.elapsed, b.mark = b.clock(now), now
	}
	b.frozen = why
	if !begins {
		return
	}
	for a := range b.watched {
		e := b.find(Key{a, b.o.Vantage})
		if e != nil && !e.slid.IsZero() && now.Sub(e.slid) <= b.fresh() {
			e.row, e.slid = e.before.After(e.row.Sample, b.profile, true), time.Time{}
			b.keep(e.row)
		}
	}
}

// voters boils the fresh checks of each host down.
func (b *Board) voters(now time.Time) []voter {
	hosts := make([]voter, len(b.hosts))
	for i, h := range b.hosts {
		hosts[i].own = h.own
		for _, a := range h.addrs {
			e := b.find(Key{a, b.o.Vantage})
			if e != nil && b.isFresh(e, now) {
				hosts[i].hear(&e.row.Sample)
			}
		}
		if h.paused { // whatever happens to it is meant
			hosts[i].silent, hosts[i].unmeasured, hosts[i].valid = false, false, false
		}
	}
	return hosts
}

// quietSites returns the sites of which more than half of those that are In, and
// two at least, do not answer: they would all be out at once.
func (b *Board) quietSites(hosts []voter) map[string]bool {
	in, silent := map[string]int{}, map[string]int{}
	for i, h := range b.hosts {
		for _, a := range h.addrs {
			if v := b.watched[a]; v.standing == zones.In && v.servable {
				in[h.site]++
				if hosts[i].silent && !hosts[i].answered {
					silent[h.site]++
				}
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
	if m, ok := Merge(b.aged(a, b.clock(now)), b.o.Interval); ok {
		// The first at 10 ends the start for newcomers, not for those it let in.
		standing = Stand(m, !b.reached || v.early)
		early = standing == zones.In && !m.In
		standing = b.secondLook(v, m, standing)
	}
	if standing == v.standing && early == v.early {
		return
	}
	b.count(v, -1)
	if standing != v.standing {
		v.since, b.moved = now.Round(0), true
	}
	v.standing, v.early = standing, early
	b.count(v, 1)
}

// secondLook keeps a member in that fell silent together with most of its site:
// that is the path more often than the clocks. It stays if its next check is
// good. One that was measured wrong has no such grace.
func (b *Board) secondLook(v *verdict, m Merged, standing zones.Standing) zones.Standing {
	falls := v.standing == zones.In && !v.early && standing != zones.In && !m.Wrong
	switch {
	case !falls:
		v.look = 0
	case v.look == 0 && m.Missed > 0 && b.quiet[b.hosts[v.host].site]:
		v.look = m.Checks
	}
	if falls && v.look > 0 && (m.Missed == 0 || v.look == m.Checks) {
		return zones.In
	}
	return standing
}

// count adds a verdict to the sums, or with −1 takes it away.
func (b *Board) count(v *verdict, n int) {
	if v.servable {
		b.served[v.standing] += n
	}
	if v.early {
		b.early += n
	}
}

// aged returns the address's Rows with their ages on the Board's clock.
func (b *Board) aged(a netip.Addr, clock time.Duration) []Aged {
	rows := make([]Aged, 0, len(b.entries[a]))
	for _, e := range b.entries[a] {
		rows = append(rows, Aged{e.row, e.age + clock - e.at, clock - e.first})
	}
	return rows
}

// clock is the time that passed while not frozen; ages are read off it.
func (b *Board) clock(now time.Time) time.Duration {
	if b.frozen != "" {
		return b.elapsed
	}
	return b.elapsed + now.Sub(b.mark)
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
type state struct{ frozen, booting, resort, unvouched, trusted bool }

func (b *Board) state() state {
	return state{
		frozen:    b.frozen != "",
		booting:   b.early > 0,
		resort:    b.served[zones.In] == 0 && b.served[zones.Resort] > 0,
		unvouched: b.frozen == "" && b.votes < 3 && len(b.references) == 0 && b.unheard == 0 && len(b.watched) > 0,
		trusted:   b.trusted,
	}
}

// tell signals if anything changed since was.
func (b *Board) tell(was state) {
	if b.moved || was != b.state() {
		b.signal()
	}
}

func (b *Board) signal() {
	b.moved = false
	select {
	case b.changed <- struct{}{}:
	default:
	}
}
