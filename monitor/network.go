package monitor

import "time"

// path is what the checks of one host over one address family say of it.
type path struct {
	asked                        bool // the host has an address of the family
	answered, silent, unmeasured bool // some fresh check is so
	heard                        time.Time
}

func (p *path) hear(s *Sample, at time.Time) {
	p.answered = p.answered || s.Outcome == Answered
	p.silent = p.silent || s.Outcome == Silent
	p.unmeasured = p.unmeasured || s.Outcome == Unmeasured
	p.heard = later(p.heard, at)
}

// silent reports whether the host answers nowhere, and was asked.
func (v *voter) silent() bool {
	return !v.mute && !v.path[0].answered && !v.path[1].answered && (v.path[0].silent || v.path[1].silent)
}

var familyWords = [2]string{"IPv4", "IPv6"}

// networkVote tells for each family why nothing that the vantage measures over
// it may count, if so: every host is silent, and there are two at least (one
// that falls silent alone is what monitoring is for), or nothing can be sent at
// all. And it tells up to when the hosts vouch for the network: somebody has
// answered since, or all have been asked.
func networkVote(hosts []voter, now time.Time) (down [2]string, upTo [2]time.Time) {
	var answered, silent [2]int
	answering, mute, unmeasured, unheard := 0, 0, 0, 0 // over either
	all := [2]time.Time{now, now}
	for _, h := range hosts {
		if h.mute {
			continue
		}
		for f, p := range h.path {
			if p.answered {
				answered[f]++
				upTo[f] = later(upTo[f], p.heard)
			} else if p.silent {
				silent[f]++
			}
			if p.asked && p.heard.Before(all[f]) {
				all[f] = p.heard
			}
		}
		switch {
		case h.path[0].answered || h.path[1].answered:
			answering++
		case h.silent():
			mute++
		case h.path[0].unmeasured || h.path[1].unmeasured:
			unmeasured++
		case h.heard.IsZero():
			unheard++
		}
	}
	for f, family := range familyWords {
		switch {
		case answering == 0 && mute >= 2:
			down[f] = "frozen: every member is silent, so the network of this node is in doubt"
		case answering == 0 && mute == 0 && unmeasured > unheard:
			down[f] = "frozen: no check can leave this node"
		case answered[f] == 0 && silent[f] >= 2:
			down[f] = "frozen for " + family + ": every member is silent there, so the " + family + " network of this node is in doubt"
		}
		upTo[f] = later(upTo[f], all[f])
	}
	return down, upTo
}
