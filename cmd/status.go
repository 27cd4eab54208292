package cmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/config"
)

func newStatusCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "status",
		Short: "Say what a running process is and does",
		Long: `status asks a running process for its version, its readiness, its listeners,
its connections and its handovers. The configuration says where the process is,
or --socket, or --url.

Exit codes: 0 it is ready for clients, 1 it is not, 3 no process answers.`,
		Example: `  sluice status
  sluice status --json --socket /run/sluice/admin.sock`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			var s admin.Status
			err := q.ask(c, "GET", "/v1/status", nil, &s, func(out io.Writer) error {
				return printStatus(out, &s, time.Now())
			})
			if err == nil && !s.Ready {
				err = fmt.Errorf("not ready: %s", s.NotReady)
			}
			return err
		}),
	}
	q = newQuestion(c)
	return c
}

func jsonFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("json", false, "print the answer as JSON")
}

// printStatus is the status for people.
func printStatus(to io.Writer, s *admin.Status, now time.Time) error {
	ready := "ready"
	if !s.Ready {
		ready = "not ready: " + s.NotReady
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "sluice %s\t%s, up %v\n", s.Version, ready, seconds(s.UptimeSeconds))
	fmt.Fprintf(w, "process\tpid %d, commit %s, %s\n", s.PID, s.Commit, s.Go)
	fmt.Fprintf(w, "config\t%s\n", s.Config)
	fmt.Fprintf(w, "connections\t%d of %d, %d accepted, %s\n", s.Connections, s.MaxConnections, s.Accepted, count(s.Workers, "worker"))
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "listener %s\t%s -> %s\n", l.Name, strings.Join(l.Bound, " "), l.Pool)
	}
	fmt.Fprintf(w, "admin\t%s\n", strings.Join(s.Admin, " "))
	if len(s.Handovers) == 0 {
		fmt.Fprint(w, "handovers\tnone\n")
	}
	for _, h := range s.Handovers {
		fmt.Fprintf(w, "handover %d\t%s\n", h.Number, describeHandover(&h, now))
	}
	return w.Flush()
}

func describeHandover(h *admin.Handover, now time.Time) string {
	text := fmt.Sprintf("%s %s, %v ago, %s", h.Kind, h.Outcome, config.Duration(now.Sub(h.Time).Round(time.Second)), count(h.Connections, "connection"))
	if h.Outcome == admin.HandoverDone {
		text += fmt.Sprintf(" in %.0f ms, now %s", h.PauseMS, h.Version)
	}
	if h.Why != "" {
		text += ": " + h.Why
	}
	return text
}

// seconds is a number of seconds as people write it.
func seconds(s float64) config.Duration {
	return config.Duration(time.Duration(s * float64(time.Second)).Round(time.Second))
}
