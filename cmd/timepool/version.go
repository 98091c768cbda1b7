package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds with -ldflags "-X main.version=v1.2.3".
var version string

// buildVersion is the release, or else the module version Go recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}

func (a *app) versionCommand() *cobra.Command {
	return command("version", "Print the version", cobra.NoArgs, func(_ context.Context, _ []string) error {
		v := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		return a.show(v, []string{fmt.Sprintf("timepool %s (%s, %s)", v.Version, v.Go, v.Platform)})
	})
}
