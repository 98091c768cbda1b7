package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/zones"
	"github.com/timepool/timepool/zones/strict"
)

func (a *app) checkCommand() *cobra.Command {
	return command("check [POOL.YAML]", "Check the node file and the registry it names, or only the registry given", cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
		return a.check(strings.Join(args, ""))
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
// of all files that it names.
func (a *app) check(path string) error {
	var in inputs
	var err error
	if path != "" {
		in.base, err = zones.Load(path)
	} else {
		var c Config
		if c, err = loadConfig(a.config); err == nil {
			in, err = c.read(in)
		}
	}
	r := checked{OK: err == nil, Faults: []string{}, Warnings: []string{}}
	if !r.OK {
		if r.Faults = strings.Split(err.Error(), "\n"); a.output != "json" {
			fmt.Fprintln(a.errs, err)
		}
		return errors.Join(a.show(r, nil), fail(exitInvalid, errSilent))
	}
	r.Warnings = append(append(r.Warnings, in.base.Warnings...), zones.Disagreements(in.base, in.geoip)...)
	r.Summary = summary(in.base)
	var lines []string
	for _, w := range r.Warnings {
		lines = append(lines, "warning: "+w)
	}
	return a.show(r, append(lines, "ok: "+r.Summary))
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

func (a *app) schemaCommand() *cobra.Command {
	c := command("schema [pool|members|node]", "Print the JSON Schema (draft-07) of pool.yaml, of the files in members.d, or of the node file", cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), func(_ context.Context, args []string) error {
		schemas := map[string]func() []byte{"": zones.Schema, "pool": zones.Schema, "members": zones.MembersSchema, "node": nodeSchema}
		_, err := a.out.Write(schemas[strings.Join(args, "")]())
		return err
	})
	c.ValidArgs = []string{"pool", "members", "node"}
	return c
}

func nodeSchema() []byte {
	return strict.Schema("timepool node file", new(Config))
}
