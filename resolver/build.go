package resolver

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/timepool/timepool/zones"
	"golang.org/x/sync/errgroup"
)

// Options of Build.
type Options struct {
	Serial uint32 // of every SOA
	// Seed orders the members on the line that sets are drawn from, and so which
	// of them come together. Moving it deals anew; shares go on as they were.
	Seed uint64
	// Epoch is to move on as time goes, each hour say: it moves the order too, so
	// that the same members do not come together for ever.
	Epoch uint64
	// Previous is a cache and nothing else: Build with it returns what Build
	// without it returns. It saves the nearness and, unless the serial moves, the
	// names when registry and Atlas are the same two, every suit (pool, quarter and
	// family) with the same hosts, and in others the decks that have the same.
	Previous *Snapshot
	Workers  int // goroutines at most, of which the result is no function; 0: GOMAXPROCS

	// What TXT _status and _member tell; no answer of the pool depends on it.
	Version    string
	Generation uint64 // of the registry
	Started    time.Time
	Tell       func(netip.Addr) []string // a member's address as of now; nil: as of the build

	// What the server tells of itself; no answer of the pool depends on it either.
	Identity string   // NSID, hostname.bind and id.server; "" for none
	Software string   // version.bind and version.server; "" for none
	Hide     bool     // names of class CH are refused
	Cookies  []Secret // the first makes server cookies, each is good in one; nil: no cookies

	Transfers Transfers
}

// Stats is what a Snapshot holds.
type Stats struct {
	Names int // owner names
	Decks int
	Cards int // of all decks, each with its set; at most one more than a deck has candidate addresses
	Bytes int // of decks, cards, sets, hosts and the tables by place

	Resort []Line // where nobody is In: members that fell silent are handed out
	Empty  []Line // where nobody may be handed out at all
}

// Line is one pool in one family.
type Line struct {
	Pool string // "" for the whole pool
	IPv6 bool
}

// String is "AAAA of the whole pool".
func (l Line) String() string {
	family := 0
	if l.IPv6 {
		family = 1
	}
	if l.Pool == "" {
		return typeName(family) + " of the whole pool"
	}
	return typeName(family) + " of pool " + l.Pool
}

// Stats returns what s holds, for a log line and for metrics.
func (s *Snapshot) Stats() Stats { return s.stats }

// Build decides who is offered where. It is a pure function of its inputs and
// deals the same for the same seed. Handed out are members whose State is
// Active, with a netspeed above 0, by the addresses whose Standing is In; where
// those cannot meet the floor, Fallback ones too; where a pool has none of a
// family, those with Standing Resort. a was made from r.
//
// Errors: a registry without pools, a zone that is no DNS name, members in more
// than 65,535 different places.
func Build(r *zones.Registry, a *zones.Atlas, scores zones.Scores, o Options) (*Snapshot, error) {
	if len(r.Pools) == 0 {
		return nil, errors.New("registry: no pool")
	}
	g, err := survey(r, a, &o)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Serial: o.Serial, atlas: a, ecs: r.Zone.ECS, ground: g, scores: scores, made: o}
	s.made.Previous, s.made.Workers = nil, 0
	if agent := r.Zone.ReportChannel; agent != "" {
		if s.agent, err = wireName(agent); err != nil {
			return nil, fmt.Errorf("report channel %s: %w", agent, err)
		}
	}
	if err := s.addNames(o.Previous); err != nil {
		return nil, err
	}
	bare := make([]*suit, 2*len(r.Pools)) // by pool and family
	parallel(o.Workers, len(bare), func(i int) { bare[i] = g.bare(i/2, i%2, scores, &o) })
	s.suits = make([]*suit, perFamily*len(bare))
	before := make([]*suit, len(s.suits))
	if o.Previous != nil && o.Previous.ground == g {
		before = o.Previous.suits
	}
	parallel(o.Workers, len(s.suits), func(i int) {
		made, number := bare[i/perFamily], i%perFamily
		if made.same(before[i-number]) {
			s.suits[i] = before[i]
			return
		}
		if number > 0 {
			made = made.number(number - 1)
		}
		s.suits[i] = made.deal(g, before[i])
	})
	for _, suit := range s.suits {
		s.bases = append(s.bases, uint32(s.stats.Decks))
		s.stats.Decks += len(suit.decks)
		s.stats.Cards += suit.cards
		s.stats.Bytes += suit.bytes
		if line := (Line{suit.terms.pool, suit.terms.family == 1}); suit.terms.quarter >= 0 {
			continue
		} else if suit.terms.resort {
			s.stats.Resort = append(s.stats.Resort, line)
		} else if len(suit.hosts) == 0 {
			s.stats.Empty = append(s.stats.Empty, line)
		}
	}
	s.stats.Names = len(s.names)
	return s, nil
}

// perFamily is how many suits a pool has in a family: the bare one, which is
// the first, and the quarters. Suits stand by pool, family and these.
const perFamily = 1 + quartersOf

// parallel calls do(0) … do(n−1) on so many goroutines and returns when all are
// done. 0 goroutines means as many as the scheduler has processors.
func parallel(goroutines, n int, do func(i int)) {
	var all errgroup.Group
	all.SetLimit(cmp.Or(goroutines, runtime.GOMAXPROCS(0)))
	for i := range n {
		all.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = all.Wait() // nothing of it fails
}
