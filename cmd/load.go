package cmd

import (
	"os"

	"github.com/spf13/cobra"

	"sluice/config"
)

const (
	// configVariable names the configuration for every command that is not
	// told it: the health check of a container cannot see how run was started.
	configVariable = "SLUICE_CONFIG"
	// defaultConfig is the configuration when nothing else says.
	defaultConfig = "/etc/sluice/sluice.toml"
)

// configFlag gives c the flag --config. What it returns is the path to use.
func configFlag(c *cobra.Command) func() string {
	flag := c.Flags().StringP("config", "c", "",
		"the configuration, a TOML `file` (default $"+configVariable+", else "+defaultConfig+")")
	_ = c.MarkFlagFilename("config", "toml")
	return func() string {
		for _, path := range []string{*flag, os.Getenv(configVariable)} {
			if path != "" {
				return path
			}
		}
		return defaultConfig
	}
}

// load reads a configuration as check, run and a reload do.
func load(path string) (*config.Config, error) {
	cfg, err := config.Load(path, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := checkOutput(path, cfg.Log.Output); err != nil {
		return nil, err
	}
	return cfg, nil
}
