package responder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// hold is how long a source that stopped answering is taken to be restarting.
// Its last word stands meanwhile, with the dispersion growing.
const hold = 5 * time.Minute

// every is how often the sources are asked.
const every = time.Second

// Clock announces what the first Source that answers says, in the order given.
// A source that answered within the last 5 minutes is not passed over for a
// later one: its daemon is being restarted. One that answers "unsynchronised"
// is believed at once. When none is left the clock is unsynchronised; a
// stratum is never made up.
type Clock struct {
	// Leaps gives the leap file that is in force, nil where there is none; each
	// Poll asks anew, so that a file may be replaced: the Load of an
	// atomic.Pointer will do. With Smear leap seconds are spread over the day
	// around. Set both before the first Poll.
	Leaps func() *Leaps
	Smear bool

	precision int8
	log       *slog.Logger
	current   atomic.Pointer[Announcement]

	mu      sync.Mutex // held by Poll, and by who changes drains
	sources []heard
	drains  []drain // oldest first
	asking  *census // of those who ask while a drain holds; nil while none does
	smeared *smear  // the last one
	logged  string  // what was worth a line
}

// heard is a Source and the last thing it said.
type heard struct {
	Source
	state State
	at    time.Time // zero: it never answered
}

// Announcement is a State and where it comes from.
type Announcement struct {
	State  State
	Source string    // name of the Source; "" when none answers
	Why    error     // what the sources that do not answer said; nil when the first one answers
	Drains []Drained // why State is unsynchronised although Source answers
}

// NewClock makes a Clock that is unsynchronised until Run or Poll has asked.
// precision is what Precision measured.
func NewClock(precision int8, log *slog.Logger, sources ...Source) *Clock {
	c := &Clock{precision: precision, log: log}
	for _, s := range sources {
		c.sources = append(c.sources, heard{Source: s})
	}
	is := Unsynchronised()
	is.Precision = precision
	c.current.Store(&Announcement{State: is, Why: errors.New("not asked yet")})
	return c
}

// State is what to announce now; never nil. It is for Server.State.
func (c *Clock) State() *State { return &c.current.Load().State }

// Announced tells what is announced and why.
func (c *Clock) Announced() Announcement { return *c.current.Load() }

// Run asks the sources each second until ctx is done.
func (c *Clock) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c.Poll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Poll asks the sources once.
func (c *Clock) Poll(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.hear(ctx)
	if ctx.Err() != nil { // a source that was interrupted said nothing of itself
		return
	}
	now := time.Now()
	if !a.State.Synchronised() {
		a.State = Unsynchronised()
	}
	a.Why = errors.Join(a.Why, c.leap(&a.State, now))
	c.drain(&a, now)
	a.State.Precision = c.precision
	c.current.Store(&a)
	c.tell(&a)
}

// hear gives what the first source says that answers, or answered lately.
func (c *Clock) hear(ctx context.Context) Announcement {
	var why error
	for i := range c.sources {
		s := &c.sources[i]
		state, err := s.Read(ctx)
		now := time.Now()
		if err == nil {
			s.state, s.at = state, now
		} else {
			why = errors.Join(why, fmt.Errorf("%s: %w", s.Name, err))
		}
		if !s.at.IsZero() && now.Sub(s.at) < hold {
			return Announcement{State: s.state, Source: s.Name, Why: why}
		}
	}
	return Announcement{Why: why}
}

// tell logs a where it differs in kind from the last.
func (c *Clock) tell(a *Announcement) {
	is, level := &a.State, slog.LevelInfo
	if !is.Synchronised() || a.Why != nil {
		level = slog.LevelWarn
	}
	refID := is.RefID
	if is.Smearing != 0 {
		refID = 0 // it changes all the time
	}
	kind := fmt.Sprint(a.Source, a.Why == nil, is.Stratum, is.Leap, refID, a.Drains)
	if c.log != nil && kind != c.logged {
		c.log.Log(context.Background(), level, "clock", "source", a.Source, "stratum", is.Stratum, "leap", is.Leap, "why", a.Why, "drains", a.Drains)
	}
	c.logged = kind
}
