package cmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/config"
)

func newReloadCommand() *cobra.Command {
	var q question
	var plan bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Put the configuration file in force in a running process",
		Long: `reload does what SIGHUP does and waits for the outcome: it prints what has
changed, or every fault that is in the way; then nothing has changed. With
--plan it prints what the file would change, key by key, and changes nothing.

Exit codes: 0 the file is in force (--plan: could be), 1 it was refused, 3 no process answers.`,
		Example: `  sluice reload --plan
  sluice reload
  sluice reload --socket /run/sluice/admin.sock`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			if plan {
				var p admin.Planned
				return q.ask(c, "GET", "/v1/plan", nil, &p, func(out io.Writer) error { return printPlan(out, p.Differences) })
			}
			var r admin.Reloaded
			return q.ask(c, "POST", "/v1/reload", nil, &r, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "reloaded: %s\n", r.Changes)
				return err
			})
		}),
	}
	c.Flags().BoolVar(&plan, "plan", false, "print what would change, and change nothing")
	q = newQuestion(c)
	return c
}

// printPlan is what a reload would change, for people.
func printPlan(to io.Writer, all []config.Difference) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(to, "the file says what is in force")
		return err
	}
	for _, d := range all {
		if _, err := fmt.Fprintln(to, d); err != nil {
			return err
		}
	}
	return nil
}
