package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/zones"
	"github.com/timepool/timepool/zones/strict"
)

func (a *app) schemaCommand() *cobra.Command {
	c := command("schema [pool|members|node]", "Print the JSON Schema (draft-07) of pool.yaml, of the files in members.d, or of the node file", cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), func(_ context.Context, args []string) error {
		schema := zones.Schema()
		switch {
		case len(args) == 1 && args[0] == "members":
			schema = zones.MembersSchema()
		case len(args) == 1 && args[0] == "node":
			schema = nodeSchema()
		}
		_, err := a.out.Write(schema)
		return err
	})
	c.ValidArgs = []string{"pool", "members", "node"}
	return c
}

func nodeSchema() []byte {
	return strict.Schema("timepool node file", new(Config))
}
