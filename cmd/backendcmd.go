package cmd

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/admin"
)

func newBackendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "backend",
		Short: "Drain a backend, take it out, put it back, change its weight",
		Long: `backend gives a running process an order about one backend. An order outranks
what health says, stays through reloads, and through a restart if
runtime.state_dir is set. It is in force some milliseconds after the answer.`,
		Example: `  sluice backend drain web b1
  sluice backend weight web b1 5
  sluice backend ready web b1`,
	}
	for _, o := range []struct{ mode, short string }{
		{"drain", "Send it no new connections, and let those that it has go on"},
		{"maint", "Take it out of service: no new connections, whatever health says"},
		{"ready", "Take back drain or maint"},
	} {
		c.AddCommand(orderCommand(o.mode+" POOL BACKEND", o.short, "  sluice backend "+o.mode+" web b1", 2,
			func([]string) (admin.Order, error) { return admin.Order{Mode: &o.mode}, nil }))
	}
	c.AddCommand(orderCommand("weight POOL BACKEND N", "Change its weight; 0 is the one in the file", "  sluice backend weight web b1 5", 3,
		func(args []string) (admin.Order, error) {
			n, err := strconv.Atoi(args[2])
			if err != nil {
				return admin.Order{}, fmt.Errorf("weight %q is not a number", args[2])
			}
			return admin.Order{Weight: &n}, nil
		}))
	return c
}

// orderCommand is a command that sends an order; of makes it of the arguments.
func orderCommand(use, short, example string, args int, of func([]string) (admin.Order, error)) *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: example,
		Args:    cobra.ExactArgs(args),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeBackend(q.find, args)
		},
		RunE: work(func(c *cobra.Command, args []string) error {
			order, err := of(args)
			if err != nil {
				return err
			}
			var done admin.Ordered
			return q.ask(c, "PATCH", admin.BackendPath(args[0], args[1]), order, &done, func(out io.Writer) error {
				b := done.Backend
				if done.Warning != "" {
					fmt.Fprintf(c.ErrOrStderr(), "sluice: %s\n", done.Warning)
				}
				_, err := fmt.Fprintf(out, "%s/%s: %s (%s), weight %d, %s\n", b.Pool, b.Name, b.Place, b.Why, b.Weight, count(int(b.Connections), "connection"))
				return err
			})
		}),
	}
	q = newQuestion(c)
	return c
}
