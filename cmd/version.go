package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// What a release sets: -ldflags "-X sluice/cmd.version=1.2.3 -X sluice/cmd.commit=...".
var version, commit string

// build is what is known of how this binary came to be.
type build struct{ version, commit, golang string }

func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return describeBuild(version, commit, info)
}

// describeBuild prefers what was set at link time to what the go command
// noted. info may be nil.
func describeBuild(version, commit string, info *debug.BuildInfo) build {
	b := build{version, commit, runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		info = &debug.BuildInfo{}
	}
	if b.version == "" {
		b.version = info.Main.Version
	}
	if b.version == "" || b.version == "(devel)" {
		b.version = "dev"
	}
	if b.commit == "" {
		modified := ""
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = s.Value
			case "vcs.modified":
				if s.Value == "true" {
					modified = " (modified)"
				}
			}
		}
		if b.commit == "" {
			b.commit, modified = "unknown", ""
		}
		b.commit += modified
	}
	return b
}

func (b build) String() string {
	return fmt.Sprintf("sluice %s\ncommit %s\ngo     %s\n", b.version, b.commit, b.golang)
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go release it was built with",
		Example: "  sluice version",
		Args:    cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), thisBuild())
			return err
		}),
	}
}
