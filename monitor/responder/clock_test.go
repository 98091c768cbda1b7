package responder

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// voice is a Source under the test's hand.
type voice struct {
	mu    sync.Mutex
	state State
	err   error
}

func (v *voice) says(state State, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.err = state, err
}

func (v *voice) source(name string) Source {
	return Source{Name: name, Read: func(context.Context) (State, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.state, v.err
	}}
}

var errRefused = errors.New("refused")

func TestClockBeforeItAsked(t *testing.T) {
	c := NewClock(-24, nil, (&voice{state: good}).source("chronyd"))
	if s := c.State(); s.Synchronised() || s.Precision != -24 {
		t.Errorf("announced before asking: %+v", s)
	}
}

// A source that falls silent is held for 5 minutes with its dispersion
// growing; then, and only then, the next one counts.
func TestClockHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &voice{err: errRefused}, &voice{err: errors.New("no stratum")}
		c := NewClock(-20, slog.New(slog.DiscardHandler), first.source("chronyd"), second.source("kernel"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		wait := func(d time.Duration, source string, stratum uint8) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			a := c.Announced()
			if a.Source != source || a.State.Stratum != stratum || a.State.Precision != -20 {
				t.Errorf("announced %q stratum %d (%v), want %q %d", a.Source, a.State.Stratum, a.Why, source, stratum)
			}
		}
		time.Sleep(time.Millisecond) // stay between the ticks
		wait(10*time.Second, "", MaxStratum)
		if why := c.Announced().Why; why == nil || !strings.Contains(why.Error(), "chronyd: refused") || !strings.Contains(why.Error(), "kernel: no stratum") {
			t.Errorf("why: %v", why)
		}

		heard := time.Now()
		best := good
		best.Since = heard
		first.says(best, nil)
		wait(time.Second, "chronyd", 2)
		if why := c.Announced().Why; why != nil {
			t.Errorf("why: %v", why)
		}
		first.says(State{}, errRefused)
		second.says(State{Stratum: 4}, nil)
		wait(290*time.Second, "chronyd", 2)
		if d := c.State().dispersion(StampOf(time.Now())) - good.RootDispersion; (d - time.Since(heard)*15/1e6).Abs() > 1 {
			t.Errorf("dispersion grew by %v", d)
		}
		if c.Announced().Why == nil {
			t.Error("held without saying why")
		}
		wait(11*time.Second, "kernel", 4)

		// The better source comes back; it says the clock is bad; at once.
		first.says(best, nil)
		wait(time.Second, "chronyd", 2)
		first.says(Unsynchronised(), nil)
		wait(time.Second, "chronyd", MaxStratum)
		first.says(State{}, errRefused)
		second.says(State{}, errors.New("gone"))
		wait(100*time.Second, "chronyd", MaxStratum)
		wait(201*time.Second, "", MaxStratum)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestClockLogsChanges(t *testing.T) {
	var out strings.Builder
	v := &voice{err: errRefused}
	c := NewClock(-20, slog.New(slog.NewTextHandler(&out, nil)), v.source("chronyd"))
	lines := func(want int) {
		t.Helper()
		for range 5 {
			c.Poll(t.Context())
		}
		if n := strings.Count(out.String(), "\n"); n != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, out.String())
		}
	}
	lines(1)
	is := good
	v.says(is, nil)
	lines(2)
	is.RootDelay++ // not worth a line
	v.says(is, nil)
	lines(2)
	is.Leap = 2
	v.says(is, nil)
	lines(3)
	v.says(State{}, errRefused)
	lines(4)
}

// A clock whose Run ends says nothing about a source that was interrupted by it.
func TestClockInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	v := &voice{state: good}
	c := NewClock(-20, nil, v.source("chronyd"))
	c.Poll(ctx)
	cancel()
	v.says(State{}, ctx.Err())
	if c.Poll(ctx); c.Announced().Why != nil || c.State().Stratum != good.Stratum {
		t.Errorf("announced %+v", c.Announced())
	}
}

func TestStated(t *testing.T) {
	const gps = 'G'<<24 | 'P'<<16 | 'S'<<8
	s, err := Stated(gps, time.Millisecond).Read(t.Context())
	if err != nil || !s.Synchronised() || s.Stratum != 1 || s.RefID != gps || s.dispersion(StampOf(time.Now().Add(time.Hour))) != time.Millisecond {
		t.Errorf("%+v %v", s, err)
	}
}
