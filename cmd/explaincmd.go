package cmd

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/admin"
)

func newExplainCommand() *cobra.Command {
	var q question
	query := struct {
		listener, from, sni string
		alpn                []string
	}{}
	c := &cobra.Command{
		Use:   "explain --listener NAME --from ADDRESS [--sni NAME] [--alpn PROTOCOL,...]",
		Short: "Say what a connection would meet: listener, pool, backend, and why",
		Long: `explain asks a running process what would become of a connection from an
address: what it would meet, which backend would take it, and why each other
one would not. No connection is opened.`,
		Example: `  sluice explain --listener web --from 198.51.100.7
  sluice explain --listener tls --from 198.51.100.7 --sni api.example.com --alpn h2`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			keys := url.Values{"listener": {query.listener}, "from": {query.from}}
			if query.sni != "" {
				keys.Set("sni", query.sni)
			}
			if len(query.alpn) > 0 {
				keys["alpn"] = query.alpn
			}
			var e admin.Explanation
			return q.ask(c, "GET", "/v1/explain?"+keys.Encode(), nil, &e, func(out io.Writer) error {
				return printExplanation(out, &e)
			})
		}),
	}
	f := c.Flags()
	f.StringVar(&query.listener, "listener", "", "the `name` of the listener")
	f.StringVar(&query.from, "from", "", "the client's IP `address`")
	f.StringVar(&query.sni, "sni", "", "the server `name` that it asks for")
	f.StringSliceVar(&query.alpn, "alpn", nil, "the `protocols` that it offers, such as h2,http/1.1")
	_ = c.MarkFlagRequired("listener")
	_ = c.MarkFlagRequired("from")
	q = newQuestion(c)
	_ = c.RegisterFlagCompletionFunc("listener", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return completeListener(q.find)
	})
	return c
}

// printExplanation is what it says, for people.
func printExplanation(to io.Writer, e *admin.Explanation) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, step := range e.Steps {
		fmt.Fprintf(w, "%s\n", step)
	}
	for _, b := range e.Backends {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", b.Name, b.Taken, b.Why)
	}
	return w.Flush()
}
