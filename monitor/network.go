package monitor

import "time"

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
