package main

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// buildPause is the least time between two builds that scores ask for, so that
// a round in which many members move is one build and not many.
const buildPause = 100 * time.Millisecond

// epoch is how long the same members stand side by side when they are dealt.
const epoch = time.Hour

// epochAt numbers the epochs, alike on all nodes.
func epochAt(now time.Time) uint64 { return uint64(now.Unix() / int64(epoch/time.Second)) }

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
		redeal := time.After(time.Until(time.Now().Truncate(epoch).Add(epoch)))
		told = n.tellChanges(told)
		var serialDue, states <-chan time.Time
		if next := n.inForce.Load().changes; !next.IsZero() {
			states = time.After(time.Until(next))
		}
		if due := n.inForce.Load().serialDue; !due.IsZero() {
			serialDue = time.After(time.Until(due))
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-firstRound:
			firstRound = nil
			if err = n.republish(); err == nil {
				err = n.openDNS(ctx, g)
			}
			if err != nil {
				return err
			}
		case <-redeal:
			if err = n.republish(); err != nil {
				n.log.Error("build failed, the former answers stay", "error", err)
			}
		case <-states:
			if err = n.overlay(*n.inForce.Load()); err != nil {
				n.log.Error("build failed, the former answers stay", "error", err)
			}
		case <-serialDue:
			if err = n.republish(); err != nil {
				n.log.Error("build failed, the former answers stay", "error", err)
			}
		case <-scores:
			if err = n.republish(); err != nil {
				n.log.Error("build failed, the former answers stay", "error", err)
			}
			pause(ctx, buildPause)
		case <-n.watcher.edits:
			n.reload(false)
		case <-hangups:
			n.reload(false)
		case ask := <-n.asks:
			ask()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
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

// republish builds what is in force again with the scores of now.
func (n *node) republish() error { return n.publish(*n.inForce.Load()) }

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
func (n *node) publish(g generation) error {
	var previous *resolver.Snapshot
	if current := n.inForce.Load(); current != nil {
		previous = current.snapshot
		if current.registry != g.registry || current.geoip != g.geoip {
			g.atlas = nil
		}
	}
	if g.atlas == nil {
		g.atlas = zones.NewAtlas(g.registry, g.geoip.db)
	}
	g.scores = n.scores(g.registry)
	kept := g.serial
	g.serial, g.serialDue = kept.next(g.registry, time.Now())
	var err error
	g.snapshot, err = resolver.Build(g.registry, g.atlas, g.scores, resolver.Options{
		Serial: g.serial.Serial, Seed: seedOf(g.registry), Epoch: epochAt(time.Now()), Previous: previous, Workers: n.workers(),
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
	if n.onPublish != nil {
		n.onPublish()
	}
	return nil
}
