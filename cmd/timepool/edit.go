package main

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/timepool/timepool/zones"
)

// reload reads the registry, the GeoIP file, the leap file, cookie secrets and
// transfer keys again and takes them, or says why not. A registry that reads the
// same is accepted and changes nothing.
func (n *node) reload(force bool) Reload {
	r := n.tryReload(force)
	r.Changes = append([]string{}, r.Changes...) // JSON wants [] and not null
	r.Time = time.Now()
	r.Generation = n.inForce.Load().number
	n.remember(r)
	switch {
	case !r.Accepted:
		n.log.Error("edit refused, the former registry stays in force", "generation", r.Generation, "why", r.Why)
	case len(r.Changes) > 0:
		n.log.Info("edit accepted", "generation", r.Generation, "changes", strings.Join(r.Changes, "; "))
	}
	return r
}

func (n *node) tryReload(force bool) Reload {
	current := n.inForce.Load()
	registry, err := zones.Load(n.config.Registry)
	if err != nil {
		return Reload{Why: err.Error()}
	}
	next := *current
	var changes []string
	if registry.Digest != current.base.Digest {
		if lost := zones.Losses(current.base, registry, n.eligible); len(lost) > 0 && !force {
			return Reload{Waits: true, Why: "it would lose too much: " + strings.Join(lost, "; ")}
		}
		changes = zones.Diff(current.base, registry)
		next.base = registry
		next.registry, next.changes = registry.At(time.Now(), next.record)
		n.warn(registry)
	}
	geoip, err := current.geoip.refresh()
	if err != nil {
		return Reload{Why: err.Error()}
	}
	if geoip != current.geoip {
		changes = append(changes, "geoip: "+n.config.GeoIP+" read again")
		next.geoip = geoip
	}
	if next.leaps, err = readLeaps(n.config.LeapFile); err != nil {
		return Reload{Why: err.Error()}
	}
	if next.leaps != nil && !next.leaps.Expires.Equal(current.leaps.Expires) { // which every edition moves
		changes = append(changes, "leap file: "+n.config.LeapFile+" read again")
	}
	if next.cookies, err = readSecrets(n.config.DNS.CookieSecrets, current.cookies); err != nil {
		return Reload{Why: err.Error()}
	}
	if !slices.Equal(next.cookies, current.cookies) {
		changes = append(changes, "cookie secrets: "+n.config.DNS.CookieSecrets+" read again")
	}
	if next.transfers, err = n.config.DNS.Transfer.transfers(); err != nil {
		return Reload{Why: err.Error()}
	}
	if !reflect.DeepEqual(next.transfers, current.transfers) {
		changes = append(changes, "transfer keys read again")
	}
	if len(changes) == 0 && next.base == current.base {
		return Reload{Accepted: true}
	}
	next.number++
	n.watchMembers(next.registry)
	if err := n.publish(next); err != nil {
		n.watchMembers(current.registry)
		return Reload{Why: err.Error()}
	}
	return Reload{Accepted: true, Changes: changes}
}

// eligible reports whether addr is handed out now as far as its score goes.
func (n *node) eligible(addr netip.Addr) bool {
	return n.inForce.Load().scores[addr].Standing == zones.In
}

// geoFile is the GeoIP file as it was last read; the zero value is none.
type geoFile struct {
	path  string
	mtime time.Time
	size  int64
	db    *zones.GeoIP
}

func openGeoFile(path string) (geoFile, error) {
	if path == "" {
		return geoFile{}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return geoFile{}, fmt.Errorf("geoip file: %w", err)
	}
	db, err := zones.OpenGeoIP(path)
	if err != nil {
		return geoFile{}, err
	}
	return geoFile{path, info.ModTime(), info.Size(), db}, nil
}

// refresh reads the file again if it changed.
func (f geoFile) refresh() (geoFile, error) {
	if f.path == "" {
		return f, nil
	}
	info, err := os.Stat(f.path)
	if err == nil && info.ModTime().Equal(f.mtime) && info.Size() == f.size {
		return f, nil
	}
	return openGeoFile(f.path)
}
