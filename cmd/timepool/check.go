package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/zones"
	"github.com/timepool/timepool/zones/strict"
)

func (a *app) checkCommand() *cobra.Command {
	return command("check [POOL.YAML]", "Check the node file and the registry it names, or only the registry given", cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
		path := ""
		if len(args) == 1 {
			path = args[0]
		}
		return a.check(path)
	})
}

// checked is the outcome of a check as JSON.
type checked struct {
	OK       bool     `json:"ok"`
	Faults   []string `json:"faults"`
	Warnings []string `json:"warnings"`
	Summary  string   `json:"summary"`
}

// check tells every fault in one go: of the node file, or when that is right,
// of what it names.
func (a *app) check(path string) error {
	r := checked{Faults: []string{}, Warnings: []string{}}
	var geoip geoFile
	if path == "" {
		c, err := loadConfig(a.config)
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r.Faults = faultLines(err)
		path = c.Registry
		if err == nil {
			geoip, err = openGeoFile(c.GeoIP)
			r.Faults = append(r.Faults, faultLines(err)...)
			_, err = readLeaps(c.LeapFile)
			r.Faults = append(r.Faults, faultLines(err)...)
			_, err = readSecrets(c.DNS.CookieSecrets, nil)
			r.Faults = append(r.Faults, faultLines(err)...)
			_, err = c.DNS.Transfer.transfers()
			r.Faults = append(r.Faults, faultLines(err)...)
		}
	}
	if len(r.Faults) == 0 {
		registry, err := zones.Load(path)
		r.Faults = append(r.Faults, faultLines(err)...)
		if err == nil {
			r.Warnings = append(r.Warnings, registry.Warnings...)
			r.Warnings = append(r.Warnings, zones.Disagreements(registry, geoip.db)...)
			r.Summary = summary(registry)
		}
	}
	r.OK = len(r.Faults) == 0
	if err := a.printChecked(r); err != nil || r.OK {
		return err
	}
	return fail(exitInvalid, errSilent)
}

func (a *app) printChecked(r checked) error {
	var lines []string
	for _, w := range r.Warnings {
		lines = append(lines, "warning: "+w)
	}
	if r.OK {
		lines = append(lines, "ok: "+r.Summary)
	} else if a.output != "json" {
		fmt.Fprintln(a.errs, strings.Join(r.Faults, "\n"))
	}
	return a.show(r, lines)
}

// faultLines is err as lines for people, one a fault; none for nil.
func faultLines(err error) []string {
	if err == nil {
		return []string{}
	}
	var faults strict.Faults
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.String()
	}
	return lines
}

func summary(r *zones.Registry) string {
	addresses := 0
	for _, m := range r.Members {
		addresses += len(m.Addresses)
	}
	return fmt.Sprintf("%s: %s with %s in %s, %s", r.Zone.Name, count(len(r.Members), "member"), count(addresses, "address"),
		count(len(r.Sites), "site"), count(len(r.Pools)-1, "tenant pool"))
}

// count is a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "address":
		return fmt.Sprintf("%d addresses", n)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
