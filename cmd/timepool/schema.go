package main

import (
	"github.com/spf13/cobra"

	"github.com/timepool/timepool/zones"
	"github.com/timepool/timepool/zones/strict"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema [pool|members|node]",
		Short:     "Print the JSON Schema (draft-07) of pool.yaml, of the files in members.d, or of the node file",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"pool", "members", "node"},
		RunE: action(func(_ *cobra.Command, args []string) error {
			schema := zones.Schema()
			switch {
			case len(args) == 1 && args[0] == "members":
				schema = zones.MembersSchema()
			case len(args) == 1 && args[0] == "node":
				schema = nodeSchema()
			}
			_, err := a.out.Write(schema)
			return err
		}),
	}
}

func nodeSchema() []byte {
	return strict.Schema("timepool node file", new(Config))
}
