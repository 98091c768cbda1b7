package responder

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxCorrection is how far the system clock may still be from what its daemon
// believes to be the time. The daemon's own answers take that correction into
// account and ours, taken from the raw system clock, do not.
const maxCorrection = 10 * time.Millisecond

// askTimeout bounds one question to a daemon on this host.
const askTimeout = 500 * time.Millisecond

// Source is somebody on this host who knows how good its clock is.
type Source struct {
	Name string
	// Read asks. A State that is not Synchronised means that the source knows
	// the clock to be bad; an error, that it does not answer.
	Read func(ctx context.Context) (State, error)
}

// Stated is a reference that the operator vouches for: this host's clock is
// kept by a primary source (GPS, PPS, PTP) and is right within dispersion.
func Stated(refID uint32, dispersion time.Duration) Source {
	return Source{Name: "stated reference", Read: func(context.Context) (State, error) {
		if refID == 0 {
			return State{}, errors.New("no reference id stated")
		}
		return State{Stratum: 1, RefID: refID, RefTime: time.Now(), RootDispersion: dispersion}, nil
	}}
}

// corrected adds the correction that the system clock still awaits to s.
func corrected(s State, correction time.Duration) State {
	correction = correction.Abs()
	if !s.Synchronised() || correction > maxCorrection {
		return Unsynchronised()
	}
	s.RootDispersion += correction
	return s
}

// unanswered names the source that gave err.
func unanswered(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }
