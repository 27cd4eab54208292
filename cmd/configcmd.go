package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/config"
)

func newConfigCommand() *cobra.Command {
	var defaults bool
	c := &cobra.Command{
		Use:   "config --defaults",
		Short: "Print a configuration with every key and its default",
		Long: `config --defaults prints every key that this version understands, with its
default and what it means.`,
		Example: `  sluice config --defaults
  sluice config --defaults > sluice.toml`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if !defaults {
				return errors.New("config: --defaults is missing")
			}
			return nil
		},
		RunE: work(func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), config.Defaults())
			return err
		}),
	}
	c.Flags().BoolVar(&defaults, "defaults", false, "print the defaults")
	return c
}
