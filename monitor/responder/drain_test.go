package responder

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(-20, nil, (&voice{state: good}).source("chronyd"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		wait := func(d time.Duration, drains ...string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			a := c.Announced()
			var by []string
			for _, d := range a.Drains {
				by = append(by, d.By)
			}
			if fmt.Sprint(by) != fmt.Sprint(drains) || (a.State.Stratum == good.Stratum) != (len(drains) == 0) || a.Source != "chronyd" {
				t.Errorf("drained by %v, want %v: %+v", by, drains, a)
			}
		}
		wait(2 * time.Second)
		c.Drain("node", "CHG-1", time.Now().Add(time.Hour))
		wait(time.Second, "node")
		c.Drain("command", "", time.Time{})
		wait(time.Second, "node", "command")
		c.Undrain("node")
		wait(time.Second, "command")
		c.Undrain("command")
		wait(time.Second)
		c.Drain("node", "", time.Now().Add(time.Hour))
		wait(59*time.Minute, "node")
		wait(time.Minute + time.Second)
		// However often it is asked for, 24 hours are the most.
		// At first it is reachable, but far from the time; then it does not know it.
		c.Drain("other", "", time.Time{})
		wait(farewell-time.Second, "other")
		if s := c.State(); s.Stratum != 15 || s.Leap != good.Leap || s.RootDispersion < 10*time.Second {
			t.Errorf("at first %+v", s)
		}
		wait(2*time.Second, "other")
		if s := c.State(); s.Synchronised() {
			t.Errorf("then %+v", s)
		}
		c.Undrain("other")
		c.Undrain("node")
		for range 24 {
			c.Drain("node", "", time.Now().Add(48*time.Hour))
			wait(59*time.Minute, "node")
		}
		for range 100 {
			c.Drain("node", "", time.Time{})
			time.Sleep(time.Minute)
		}
		wait(time.Second)
		cancel()
		<-done
	})
}

// A drain that ended by itself does not stand in the way of another, however
// long ago it began; who goes on asking gets no second one.
func TestDrainBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(-20, nil, (&voice{state: good}).source("chronyd"))
		holds := func(want bool) {
			t.Helper()
			if c.Poll(t.Context()); (c.Announced().Drains != nil) != want {
				t.Errorf("drains %v, want one: %v", c.Announced().Drains, want)
			}
		}
		c.Drain("command", "", time.Now().Add(time.Hour))
		holds(true)
		time.Sleep(72 * time.Hour)
		holds(false)
		c.Drain("command", "", time.Now().Add(time.Hour))
		holds(true)
		for range 48 {
			time.Sleep(time.Hour)
			c.Drain("command", "", time.Now().Add(48*time.Hour))
		}
		holds(false)
	})
}

// Clients that ask are counted about once each, however often they ask, and
// forgotten when they stop and when the drain ends.
func TestDrainCountsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(-20, nil, (&voice{state: good}).source("chronyd"))
		s := &Server{State: c.State}
		asked := func(clients uint32) {
			t.Helper()
			for range 3 {
				for i := range clients {
					var a [4]byte
					binary.BigEndian.PutUint32(a[:], i)
					answer(s, nil, packet(4, 3), received, netip.AddrPortFrom(netip.AddrFrom4(a), 1000), time.Now())
				}
			}
		}
		near := func(want int) {
			t.Helper()
			c.Poll(t.Context())
			if a := c.Announced(); a.Asking() < want-want/50 || a.Asking() > want+want/50 {
				t.Errorf("%d clients, want about %d", a.Asking(), want)
			}
		}
		asked(1000)
		near(0)
		c.Drain("command", "", time.Time{})
		near(0)
		asked(1)
		near(1)
		asked(100_000)
		near(100_000)
		time.Sleep(censusWindow)
		near(100_000)
		asked(500)
		near(100_000)
		time.Sleep(censusWindow)
		near(500)
		c.Undrain("command")
		near(0)
		c.Drain("command", "", time.Time{})
		near(0)
		c.Poll(t.Context())
		client, request := home, packet(4, 3)
		if n := testing.AllocsPerRun(1000, func() { s.judge(request, client, time.Now()) }); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
	})
}
