package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"sluice/cmd/top"
)

func newTopCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch a running process: rates, backends, connections; drain and kill",
		Long: `top shows a running process on the terminal, anew each second: listeners, pools
and backends with what each does, the live connections, the latest transitions.

  1 2 3, tab      pools, connections, transitions
  s               sort by the next column
  up, down        choose a backend or a connection; also k and j
  d m r           drain the backend, put it into maintenance, take the order back
  x               kill the connection
  q               quit

Every order asks first. When the process is replaced or dies, top waits for the
one that takes its place. NO_COLOR takes the colours away.

With --json it prints a document each second, one a line, to whatever stdout is,
and ends when no process has answered for 30 seconds.`,
		Example: `  sluice top
  sluice top --json --count 10 | jq '.rates[0].connections'`,
		Args: cobra.NoArgs,
	}
	find := adminFlags(c)
	asJSON := c.Flags().Bool("json", false, "print documents instead of a screen")
	count := c.Flags().Int("count", 0, "with --json: end after so `many`; 0: do not")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case c.Flags().Changed("count") && !*asJSON:
			return errors.New("top: --count goes with --json")
		case *count < 0:
			return fmt.Errorf("top: --count %d: expected 0 or more", *count)
		}
		return work(func(c *cobra.Command, _ []string) error {
			to, err := find()
			if err != nil {
				return err
			}
			defer to.http.CloseIdleConnections()
			if *asJSON {
				return top.Print(context.Background(), watched{to}, c.OutOrStdout(), *count, func(text string) {
					fmt.Fprintf(c.ErrOrStderr(), "sluice: %s\n", text)
				})
			}
			return showTop(to, c.OutOrStdout())
		})(c, nil)
	}
	return c
}

// showTop shows the screen, if there is one and if a process answers.
func showTop(to *client, stdout io.Writer) error {
	const instead = "use \"sluice top --json\", or \"sluice status\""
	screen, isFile := stdout.(*os.File)
	if !isFile || !top.IsTerminal(screen) {
		return errors.New("top: stdout is not a terminal: " + instead)
	}
	if os.Getenv("TERM") == "dumb" {
		return errors.New("top: a terminal of the type dumb has no screen: " + instead)
	}
	keys, err := os.Open("/dev/tty") // stdin may be something else
	if err != nil {
		return fmt.Errorf("top: no terminal to read keys from: %w: %s", plainly(err), instead)
	}
	defer keys.Close()
	if _, err := to.ask("GET", "/v1/status", nil, nil); err != nil {
		return err
	}
	return top.Run(context.Background(), watched{to}, keys, screen, os.Getenv("NO_COLOR") == "")
}

// watched is the process that a client asks.
type watched struct{ *client }

// Ask implements top.Balancer.
func (w watched) Ask(ctx context.Context, method, path string, body, into any) error {
	_, err := w.askIn(ctx, method, path, body, into)
	return err
}

// Events implements top.Balancer.
func (w watched) Events(ctx context.Context) (io.ReadCloser, error) {
	r, err := w.send(ctx, &http.Client{Transport: w.http.Transport}, "GET", "/v1/events", nil)
	if err != nil {
		return nil, err
	}
	if r.StatusCode == http.StatusOK {
		return r.Body, nil
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return nil, saysNo(w.where, r, text)
}
