package cmd

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
)

// completeWithin is how long a shell waits for names.
const completeWithin = time.Second

func newPoolsCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "pools [POOL]",
		Short: "Show the pools and where each backend stands",
		Long: `pools shows each pool of a running process, and for each backend whether it
gets connections and why, or why not.`,
		Example: `  sluice pools
  sluice pools web --json`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeBackend(q.find, nil)
		},
		RunE: work(func(c *cobra.Command, args []string) error {
			var all admin.Pools
			print := func(out io.Writer) error { return printPools(out, all.Pools, time.Now()) }
			if len(args) == 0 {
				return q.ask(c, "GET", "/v1/pools", nil, &all, print)
			}
			all.Pools = make([]admin.Pool, 1)
			return q.ask(c, "GET", "/v1/pools/"+url.PathEscape(args[0]), nil, &all.Pools[0], print)
		}),
	}
	q = newQuestion(c)
	return c
}

// printPools is the pools for people.
func printPools(to io.Writer, pools []admin.Pool, now time.Time) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for i, p := range pools {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "pool %s: %s, %d of %s serving, %s\n", p.Name, p.Policy, p.Serving,
			count(len(p.Backends), "backend"), count(int(p.Connections), "connection"))
		if p.Queue > 0 || p.Waiting > 0 {
			fmt.Fprintf(w, "  %d of %s waiting\n", p.Waiting, count(p.Queue, "client"))
		}
		fmt.Fprintf(w, "  BACKEND\tADDRESS\tPLACE\tHEALTH\tORDER\tWEIGHT\tCONNS\tWHY\n")
		for _, b := range p.Backends {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", b.Name, b.Address, b.Place, healthOf(&b, now), b.Mode, b.Weight, b.Connections, b.Why)
		}
	}
	return w.Flush()
}

func healthOf(b *admin.Backend, now time.Time) string {
	if b.Since == nil {
		return b.Status
	}
	return fmt.Sprintf("%s %s", b.Status, seconds(now.Sub(*b.Since).Seconds()))
}
