package monitor

import (
	"time"

	"github.com/timepool/timepool/zones"
)

// host is a member whose addresses are watched, or a reference that is none.
type host struct {
	*zones.Member
	own       bool // its clock is that of this host
	reference bool // it has no vote on the clock, but a path
}

// voter is one host as it bears on whether this vantage is to be trusted, and on
// what time it is: its fresh checks from here, boiled down.
type voter struct {
	host
	path [3]path   // over IPv4, IPv6, either
	best *Sample   // its valid answer, of several the one with the smallest root distance; nil for none
	at   time.Time // when that came
}

const either = 2

var familyWords = [either]string{"IPv4", "IPv6"}

// path is what the checks of one host over one address family say of it.
type path struct {
	asked                        bool // the host has an address of the family
	answered, silent, unmeasured bool // some fresh check is so
	heard                        time.Time
}

// hear adds a fresh sample of an address of the host, which came at that time.
func (v *voter) hear(s *Sample, family int, at time.Time) {
	for _, p := range []*path{&v.path[family], &v.path[either]} {
		p.answered = p.answered || s.Outcome == Answered
		p.silent = p.silent || s.Outcome == Silent
		p.unmeasured = p.unmeasured || s.Outcome == Unmeasured
		p.heard = later(p.heard, at)
	}
	if valid(s) && (v.best == nil || s.RootDistance < v.best.RootDistance) {
		v.best, v.at = s, at
	}
}

// valid reports whether a sample says what time its member has.
func valid(s *Sample) bool {
	return s.Outcome == Answered && s.Invalid == "" && s.Kiss == "" && s.Leap != 3 &&
		s.Stratum > 0 && s.Stratum < 16 && s.RootDistance <= 1500*time.Millisecond
}

// mute reports whether what the host does says nothing of us: its clock is ours,
// or whatever happens to it is meant.
func (v *voter) mute() bool { return v.own || v.Paused }

// silent reports whether the host answers nowhere, and was asked.
func (v *voter) silent() bool {
	return !v.mute() && !v.path[either].answered && v.path[either].silent
}

// spoke is when the host's vote came, or if it has none its last check.
func (v *voter) spoke() time.Time {
	if v.best != nil {
		return v.at
	}
	return v.path[either].heard
}

// off tells on which side of this voter our clock is off, as far as its interval
// tells: 0 ahead of it, 1 on neither, 2 behind it.
func (v *voter) off() int {
	switch {
	case v.best.Offset.Abs() <= v.best.RootDistance+slack:
		return 1
	case v.best.Offset > 0:
		return 2
	}
	return 0
}

// interval is the span of time that the host's clock holds possible, as seen from
// ours: two good clocks part meanwhile.
func (v *voter) interval(now time.Time) (low, high time.Duration) {
	wide := max(0, v.best.RootDistance) + claimSlack + time.Duration(drift*float64(now.Sub(v.at)))
	return v.best.Offset - wide, v.best.Offset + wide
}

// networkVote tells for each family why nothing that the vantage measures over
// it may count, if so: every host is silent, and there are two at least (one
// that falls silent alone is what monitoring is for), or nothing can be sent at
// all. And it tells up to when the hosts vouch for the network: somebody has
// answered since, or all have been asked.
func networkVote(hosts []voter, now time.Time) (down [either]string, upTo [either]time.Time) {
	silent, stuck, _ := pathVote(hosts, either, now)
	for f, family := range familyWords {
		var dark bool
		dark, _, upTo[f] = pathVote(hosts, f, now)
		switch {
		case silent:
			down[f] = "frozen: every member is silent, so the network of this node is in doubt"
		case stuck:
			down[f] = "frozen: no check can leave this node"
		case dark:
			down[f] = "frozen: every member is silent over " + family + ", so the " + family + " network of this node is in doubt"
		}
	}
	return down, upTo
}

// pathVote is the vote over one family, or either.
func pathVote(hosts []voter, family int, now time.Time) (dark, stuck bool, upTo time.Time) {
	var answered, silent, unmeasured, unheard int
	all := now
	for i := range hosts {
		p := &hosts[i].path[family]
		if hosts[i].mute() || !p.asked {
			continue
		}
		switch {
		case p.answered:
			answered++
			upTo = later(upTo, p.heard)
		case p.silent:
			silent++
		case p.unmeasured:
			unmeasured++
		default:
			unheard++
		}
		if p.heard.Before(all) {
			all = p.heard
		}
	}
	return answered == 0 && silent >= 2, answered+silent == 0 && unmeasured > unheard, later(upTo, all)
}
