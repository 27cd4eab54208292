package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sluice/config"
)

func newHealthcheckCommand() *cobra.Command {
	var path func() string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Succeed when every bind of the configuration is listening",
		Long: `healthcheck reads the configuration and looks into /proc/self/net for a
listening socket at each of its binds. It opens no connection, so no backend
sees it. It must run in the network namespace of the balancer; it is meant for
the health check of a container.`,
		Example: `  sluice healthcheck
  sluice healthcheck --config ./sluice.toml
  HEALTHCHECK CMD ["/sluice", "healthcheck"]`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(path(), os.LookupEnv)
			if err != nil {
				return err
			}
			l, err := ownListening()
			if err != nil {
				return err
			}
			if err := missing(cfg, l); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "OK")
			return err
		}),
	}
	path = configFlag(c)
	return c
}

// missing names every bind of cfg at which nothing listens.
func missing(cfg *config.Config, l *listening) error {
	var errs []error
	for _, ln := range cfg.Listeners {
		for _, a := range ln.Bind {
			if !l.has(a) {
				errs = append(errs, fmt.Errorf("listener %s: nothing listens at %v", ln.Name, a))
			}
		}
	}
	return errors.Join(errs...)
}
