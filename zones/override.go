package zones

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Override is what somebody on duty wants of a member for now, beside the
// registry. Overrides are a record: each stays, the last of a member counts.
type Override struct {
	Member string    `json:"member"`
	State  State     `json:"state"` // Drain or Off; Active lifts the one before
	Reason string    `json:"reason"`
	By     string    `json:"by"` // who, as the control socket knows them
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"` // zero: until lifted

	// Active says that the member's own responder announces itself
	// unsynchronised meanwhile, so that clients that have it leave: its score stands.
	Active bool `json:"active,omitempty"`
}

// Current returns the overrides of a record, oldest first, that count at now,
// by member.
func Current(record []Override, now time.Time) []Override {
	last := make(map[string]Override)
	for _, o := range record {
		last[o.Member] = o
	}
	var current []Override
	for _, o := range last {
		if o.State != Active && (o.Until.IsZero() || now.Before(o.Until)) {
			current = append(current, o)
		}
	}
	slices.SortFunc(current, func(a, b Override) int { return cmp.Compare(a.Member, b.Member) })
	return current
}

// At returns the registry as overrides and maintenance windows have it at now,
// and when that changes next; the zero Time: by itself never. Neither brings a
// member in that the registry keeps out. Where nothing applies it is r itself.
func (r *Registry) At(now time.Time, record []Override) (at *Registry, next time.Time) {
	soon := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	at = r
	apply := func(wanted func(*Member) bool, state State, paused bool, reason string) {
		for i := range r.Members {
			if !wanted(&r.Members[i]) {
				continue
			}
			if at == r {
				copied := *r
				at, copied.Members = &copied, slices.Clone(r.Members)
			}
			m := &at.Members[i]
			m.Paused = m.Paused || paused
			if m.State != Off && (state == Off || m.State != Drain) {
				m.State, m.Reason = state, reason
			}
		}
	}
	for _, o := range Current(record, now) {
		until := ""
		if soon(o.Until); !o.Until.IsZero() {
			until = " until " + o.Until.Format("2006-01-02 15:04 MST")
		}
		apply(func(m *Member) bool { return m.Name == o.Member }, o.State, o.Active, fmt.Sprintf("%s, by %s%s", o.Reason, o.By, until))
	}
	for i := range r.Maintenance {
		w := &r.Maintenance[i]
		begin, end, change := w.span(now)
		soon(change)
		if !now.Before(begin.Add(-w.Drain)) && now.Before(end) {
			reason := fmt.Sprintf("maintenance %s, until %s", w.Name, end.Format("2006-01-02 15:04 MST"))
			if w.Reason != "" {
				reason += ": " + w.Reason
			}
			apply(w.Has, Drain, !now.Before(begin), reason)
		}
	}
	return at, next
}
