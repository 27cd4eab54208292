package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
)

const (
	// upgradeWithin is how long an upgrade may take until its outcome is known.
	upgradeWithin = time.Minute
	// askEvery is how often it is asked for.
	askEvery = 50 * time.Millisecond
)

func newUpgradeCommand() *cobra.Command {
	var find func() (*client, error)
	var asJSON *bool
	var binary string
	c := &cobra.Command{
		Use:   "upgrade [--binary FILE]",
		Short: "Replace a running process by another program, connections and all",
		Long: `upgrade makes a running process hand its listeners and its connections over to
another program, and waits for the outcome. If that program does not come to
serve, the running one goes on with everything, and upgrade says why.

It needs admin.socket, or a token: see admin.token_file.

Exit codes: 0 the new program serves, 1 it does not and the old one does,
3 no process answers.`,
		Example: `  sluice upgrade
  sluice upgrade --binary /usr/local/bin/sluice-1.1 --socket /run/sluice/admin.sock`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			from, err := find()
			if err != nil {
				return err
			}
			h, err := upgrade(from, binary)
			if err != nil {
				return err
			}
			if *asJSON {
				text, _ := json.MarshalIndent(h, "", "  ")
				fmt.Fprintf(c.OutOrStdout(), "%s\n", text)
			}
			if h.Outcome != admin.HandoverDone {
				return fmt.Errorf("upgrade %d failed, the old program goes on: %s", h.Number, h.Why)
			}
			if !*asJSON {
				_, err = fmt.Fprintf(c.OutOrStdout(), "upgraded to %s: %s carried over, paused for %.0f ms\n",
					h.Version, count(h.Connections, "connection"), h.PauseMS)
			}
			return err
		}),
	}
	c.Flags().StringVar(&binary, "binary", "", "the program, a `file` (default: what the process was started from)")
	_ = c.MarkFlagFilename("binary")
	find = adminFlags(c)
	asJSON = jsonFlag(c)
	return c
}

// upgrade orders an upgrade and waits for its outcome. While one process takes
// the place of the other nobody answers.
func upgrade(from *client, binary string) (*admin.Handover, error) {
	if binary != "" {
		absolute, err := filepath.Abs(binary)
		if err != nil {
			return nil, err
		}
		binary = absolute
	}
	var begun admin.Upgrading
	if _, err := from.ask("POST", "/v1/upgrade", admin.UpgradeOrder{Binary: binary}, &begun); err != nil {
		return nil, err
	}
	late := time.After(upgradeWithin)
	again := time.NewTicker(askEvery)
	defer again.Stop()
	for {
		var s admin.Status
		_, err := from.ask("GET", "/v1/status", nil, &s)
		var gone *unanswered
		if err != nil && !errors.As(err, &gone) {
			return nil, err
		}
		i := slices.IndexFunc(s.Handovers, func(h admin.Handover) bool { return h.Number == begun.Number })
		if i >= 0 && s.Handovers[i].Outcome != admin.HandoverRunning {
			return &s.Handovers[i], nil
		}
		select {
		case <-again.C:
		case <-late:
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("upgrade %d has no outcome after %v; sluice status shows it", begun.Number, upgradeWithin)
		}
	}
}
