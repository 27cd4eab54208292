package cmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/admin"
)

func newLogLevelCommand() *cobra.Command {
	var q question
	levels := []string{"debug", "info", "warn", "error"}
	c := &cobra.Command{
		Use:   "log-level [LEVEL]",
		Short: "Show or change how much a running process logs",
		Long: `log-level shows the level of a running process, or makes it debug, info, warn
or error until the next reload puts the file's level in force.`,
		Example: `  sluice log-level
  sluice log-level debug`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: levels,
		RunE: work(func(c *cobra.Command, args []string) error {
			var l admin.LogLevel
			print := func(out io.Writer) error {
				_, err := fmt.Fprintln(out, l.Level)
				return err
			}
			if len(args) == 0 {
				return q.ask(c, "GET", "/v1/log-level", nil, &l, print)
			}
			return q.ask(c, "PUT", "/v1/log-level", admin.LogLevel{Level: args[0]}, &l, print)
		}),
	}
	q = newQuestion(c)
	return c
}
