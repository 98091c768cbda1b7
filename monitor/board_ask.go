package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/timepool/timepool/zones"
)

// Last returns this vantage's own Row of the address.
func (b *Board) Last(addr netip.Addr) (Row, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.addrs[addr]; a != nil && !a.rows[0].row.Time.IsZero() {
		return a.rows[0].row, true
	}
	return Row{}, false
}

// Rows returns every Row, of every vantage, by address and vantage.
func (b *Board) Rows() []Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []Row
	for _, a := range b.addrs {
		for _, e := range a.rows {
			if !e.row.Time.IsZero() {
				rows = append(rows, e.row)
			}
		}
	}
	slices.SortFunc(rows, func(x, y Row) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Vantage, y.Vantage))
	})
	return rows
}

// Scores returns the verdict on every watched address. The map is the caller's.
func (b *Board) Scores() zones.Scores {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now()
	scores := make(zones.Scores, len(b.watched))
	for _, a := range b.watched {
		m, ok := Merge(b.aged(a, now), b.o.Interval)
		if !ok {
			m.Row = a.rows[0].row
		}
		s := zones.Score{Value: m.Score, Standing: a.standing, Since: a.since, Why: why(m.Row, a.standing, b.o.Interval, b.profile)}
		s.Fault = string(m.fault(b.o.Vantage))
		if s.Standing != zones.In {
			s.Back = m.untilIn(b.profile, b.o.Interval)
		}
		if !ok && m.Checks > 0 {
			s.Why = "last check is too old to go by"
		}
		scores[a.addr] = s
	}
	return scores
}

// Changed is signalled after some Standing, the Status or Trusted changed;
// several changes may come as one. It is for one reader.
func (b *Board) Changed() <-chan struct{} { return b.changed }

// Status returns what the Board says of itself.
func (b *Board) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, now := b.state(), b.o.Now()
	smearing := b.o.Smeared != nil && b.o.Smeared(b.o.Wall(), 0) != 0
	st := Status{Lost: []string{}, Warning: cmp.Or(b.freezes[0].why, b.freezes[1].why), Truth: weigh(b.voters(now), b.refids, now, smearing)}
	for f, frozen := range s.frozen {
		if frozen {
			st.Lost = append(st.Lost, strings.ToLower(familyWords[f]))
		}
	}
	st.Frozen = len(st.Lost) == either
	for _, a := range b.watched {
		st.Booting = st.Booting || a.early
	}
	if s.unvouched {
		st.Warning = fmt.Sprintf("only %d of the 3 members needed can vouch for the clock of this node", b.votes)
	}
	return st
}

// Trusted reports whether the Scores may be acted on: what History kept covers
// more than half of the registry's addresses and is less than two hours old,
// or every address has been checked once. Once true it stays so.
func (b *Board) Trusted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trusted
}
