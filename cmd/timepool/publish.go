package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// buildPause is the least time between two builds that nobody asked for, so that
// a round in which many members move is one build and not many.
const buildPause = 100 * time.Millisecond

// epoch is how long the same members stand side by side when they are dealt.
const epoch = time.Hour

// epochAt numbers the epochs, alike on all nodes.
func epochAt(now time.Time) uint64 { return uint64(now.Unix() / int64(epoch/time.Second)) }

// generation is what is in force together.
type generation struct {
	inputs
	number    uint64
	record    []zones.Override // oldest first
	registry  *zones.Registry  // base with the overrides and maintenance windows of now; nil has publish make it …
	changes   time.Time        // … and say when those change next; zero: never
	atlas     *zones.Atlas
	scores    zones.Scores
	serial    serialState
	serialDue time.Time // a change of the static view waits until then for its serial; zero: none does
	snapshot  *resolver.Snapshot
	published time.Time
	reloads   []Reload // newest first
}

// wait is how long g holds if no score moves.
func (g *generation) wait() time.Duration {
	next := time.Now().Truncate(epoch).Add(epoch)
	for _, t := range []time.Time{g.changes, g.serialDue} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return max(buildPause, time.Until(next))
}

// publishLoop is the only place where what is in force is replaced. It opens
// the DNS sockets once there are scores to trust: at once after a short
// restart, else after every member has been checked once.
func (n *node) publishLoop(ctx context.Context, g *errgroup.Group, hangups <-chan os.Signal) error {
	var scores, firstRound <-chan struct{}
	if n.board != nil {
		scores = n.board.Changed()
		if !n.board.Trusted() {
			n.log.Info("no fresh scores yet: DNS opens after the first round of checks")
			firstRound = n.prober.FirstRound()
		}
	}
	if firstRound == nil {
		if err := n.openDNS(ctx, g); err != nil {
			return err
		}
	}
	var told []string
	for {
		told = n.tellChanges(told)
		select {
		case <-ctx.Done():
			return nil
		case <-firstRound:
			firstRound = nil
			n.refresh()
			if err := n.openDNS(ctx, g); err != nil {
				return err
			}
		case <-time.After(n.inForce.Load().wait()):
			n.refresh()
		case <-scores:
			n.refresh()
			time.Sleep(buildPause)
		case <-n.watcher.edits:
			n.reload(false)
		case <-hangups:
			n.reload(false)
		case ask := <-n.asks:
			ask()
		}
	}
}

// inLoop runs f in the publish loop and waits for it; false when the node is
// ending.
func (n *node) inLoop(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case n.asks <- func() { f(); close(done) }:
		<-done
		return true
	case <-ctx.Done():
		return false
	}
}

// openDNS binds the DNS sockets, starts answering and tells systemd.
func (n *node) openDNS(ctx context.Context, g *errgroup.Group) error {
	if err := n.dns.Open(); err != nil {
		return err
	}
	g.Go(func() error { return n.dns.Run(ctx) })
	n.dnsOpen.Store(true)
	current := n.inForce.Load()
	n.log.Info("answering", "zone", current.registry.Zone.Name, "listen", n.dns.Addrs(), "after", time.Since(n.started).Round(time.Millisecond))
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		n.log.Warn("systemd was not told", "error", err)
	}
	return nil
}

// refresh builds what is in force again, with the scores, overrides and windows
// of now.
func (n *node) refresh() {
	g := *n.inForce.Load()
	if !g.changes.IsZero() && !time.Now().Before(g.changes) {
		g.registry = nil
	}
	if err := n.publish(g); err != nil {
		n.log.Error("build failed, the former answers stay", "error", err)
	}
}

// workers is how many goroutines build: as many as there are processors until
// DNS is open, then half of them, for the queries have the others.
func (n *node) workers() int {
	if n.dnsOpen.Load() {
		return max(1, n.processors/2)
	}
	return n.processors
}

// publish builds g with the scores of now and puts it in force. On an error
// what was in force stays.
func (n *node) publish(g generation) (err error) {
	before := n.inForce.Load()
	if before == nil {
		before = &generation{}
	}
	if g.registry == nil {
		g.registry, g.changes = g.base.At(time.Now(), g.record)
		n.watchMembers(g.registry)
		defer func() {
			if err != nil && before.registry != nil {
				n.watchMembers(before.registry)
			}
		}()
	}
	if g.registry != before.registry || g.geoip != before.geoip {
		g.atlas = zones.NewAtlas(g.registry, g.geoip)
	}
	g.scores = n.scores(g.registry)
	kept := g.serial
	g.serial, g.serialDue = kept.next(g.registry, time.Now())
	g.snapshot, err = resolver.Build(g.registry, g.atlas, g.scores, resolver.Options{
		Serial: g.serial.Serial, Seed: seedOf(g.registry), Epoch: epochAt(time.Now()), Previous: before.snapshot, Workers: n.workers(),
		Version: buildVersion(), Generation: g.number, Started: n.started, Tell: n.tell,
		Identity: n.config.DNS.Identity, Software: n.config.DNS.Version, Hide: n.config.DNS.Hide, Cookies: g.cookies,
		Transfers: g.transfers,
	})
	if err != nil {
		return err
	}
	if g.serial.Serial != kept.Serial || !bytes.Equal(g.serial.View, kept.View) {
		g.serial.save(n.serialPath(), n.log)
	}
	g.published = time.Now()
	n.inForce.Store(&g)
	n.dns.Publish(g.snapshot)
	switch {
	case g.base != before.base:
		for _, w := range g.base.Warnings {
			n.log.Warn("registry", "warning", w)
		}
	case g.registry != before.registry:
		if lines := zones.Diff(before.registry, g.registry); len(lines) > 0 {
			n.log.Info("states changed", "changes", strings.Join(lines, "; "))
		}
	}
	return nil
}
