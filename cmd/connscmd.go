package cmd

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/cmd/top"
	"sluice/config"
)

func newConnsCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "conns",
		Short: "List the live connections, or kill one",
		Long: `conns lists the live connections of a running process, the oldest first. The
filters may be combined.`,
		Example: `  sluice conns --listener web --sort -bytes --limit 20
  sluice conns --client 198.51.100.0/24 --json
  sluice conns kill 0-17-4711`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			query := make(url.Values)
			for _, key := range connFilters {
				if f := c.Flags().Lookup(key.name); f.Changed {
					query.Set(key.name, f.Value.String())
				}
			}
			var page admin.Connections
			return q.ask(c, "GET", "/v1/connections?"+query.Encode(), nil, &page, func(out io.Writer) error {
				return printConns(out, &page)
			})
		}),
	}
	for _, key := range connFilters {
		c.Flags().String(key.name, "", key.help)
	}
	q = newQuestion(c)
	completeConns(c, q.find)
	c.AddCommand(newKillCommand())
	return c
}

// connFilters are the flags that are keys of the query too.
var connFilters = []struct{ name, help string }{
	{"listener", "only those of a `listener`"},
	{"pool", "only those of a `pool`"},
	{"backend", "only those to a `backend`"},
	{"client", "only those from an `address` or a network"},
	{"phase", "only those in a `phase`: inspecting, connecting, queued, relaying, breaking, fallback or lingering"},
	{"sni", "only those that ask for a server `name`"},
	{"sort", "by age, idle, bytes, bytes_up, bytes_down or client, a - in front for the largest first (default -age)"},
	{"limit", "at most so `many` (default 100)"},
	{"offset", "without the first so `many`"},
}

func newKillCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:     "kill ID",
		Short:   "Reset one connection, on both sides",
		Example: "  sluice conns kill 0-17-4711",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeConnection(q.find, args)
		},
		RunE: work(func(c *cobra.Command, args []string) error {
			return q.ask(c, "DELETE", "/v1/connections/"+url.PathEscape(args[0]), nil, nil, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "killed %s\n", args[0])
				return err
			})
		}),
	}
	q = newQuestion(c)
	return c
}

// printConns is a page of connections for people.
func printConns(to io.Writer, page *admin.Connections) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "ID\tLISTENER\tCLIENT\tPOOL/BACKEND\tPHASE\tAGE\tIDLE\tUP\tDOWN\n")
	for _, c := range page.Connections {
		backend := c.Pool + "/" + c.Backend
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Listener, c.Client, backend, c.Phase,
			briefly(c.AgeSeconds), briefly(c.IdleSeconds), top.Bytes(c.BytesUp), top.Bytes(c.BytesDown))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	shown := len(page.Connections)
	if shown == page.Matching {
		return nil
	}
	_, err := fmt.Fprintf(to, "%d to %d of %d; --offset %d shows the next\n", page.Offset+1, page.Offset+shown, page.Matching, page.Offset+shown)
	return err
}

// briefly is a time in seconds: to the millisecond below ten, else to the
// second.
func briefly(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return config.Duration(d.Round(time.Millisecond)).String()
	}
	return config.Duration(d.Round(time.Second)).String()
}
