package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/cli/output"
)

// Version and Commit are set when the program is linked (-X).
var (
	Version = "0.0.0-dev" //nolint:gochecknoglobals // the linker sets it
	Commit  = ""          //nolint:gochecknoglobals // the linker sets it
)

type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	Server  string `json:"server_version,omitempty"`
}

func newVersion(a *app) *cobra.Command {
	var remote bool
	c := &cobra.Command{
		Use: "version", Short: "Show the version of cox, with --remote of the server too", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v := versionInfo{Version: Version, Commit: Commit, Go: runtime.Version()}
			if remote {
				cl, err := a.client()
				if err != nil {
					return err
				}
				server, err := cl.Version(c.Context())
				if err != nil {
					return err
				}
				v.Server = server.Version
			}
			return a.printVersion(v)
		},
	}
	c.Flags().BoolVar(&remote, "remote", false, "ask the server too")
	return a.reading(c)
}

func (a *app) printVersion(v versionInfo) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	if p.Format == output.FormatJSON || p.Format == output.FormatYAML {
		return p.Print(v, nil)
	}
	line := "cox " + v.Version
	if v.Commit != "" {
		line += " (" + v.Commit + ")"
	}
	if v.Server != "" {
		line += ", server " + v.Server
	}
	return a.say("%s", line)
}
