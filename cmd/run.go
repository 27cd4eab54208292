package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/control"
)

func newRunCommand() *cobra.Command {
	var path func() string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the balancer that a configuration describes",
		Long: `run serves until it is told to stop.

Signals: HUP reloads the configuration, USR1 reopens the log file, TERM and INT
stop: no new clients, the connections there are may end within
runtime.shutdown_grace, the rest is reset. A second TERM or INT resets at once.`,
		Example: `  sluice run
  sluice run --config ./sluice.toml`,
		Args: cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			return run(serveOptions{path: path(), load: load, stdout: c.OutOrStdout(), stderr: c.ErrOrStderr()})
		}),
	}
	path = configFlag(c)
	return c
}

// run is whichever process of a balancer this one is. Only the first does not
// know: the configuration says whether it becomes the main process of others.
func run(o serveOptions) error {
	if os.Getenv(roleVar) == asWorker {
		life, err := openLifeline()
		if err != nil {
			return err
		}
		o.passed = life.passed
		return serve(o, life, newOrders(life))
	}
	o.passed = passedBySystemd()
	orders := newOrders(nil)
	start := unlessStopped(orders.stop, func() (r struct {
		cfg *config.Config
		err error
	}) {
		r.cfg, r.err = o.read(o.path)
		return r
	})
	if start.cfg == nil {
		orders.end()
		return start.err
	}
	if start.cfg.Runtime.SurviveCrash {
		return newSupervisor(o.stderr, orders, o.passed).run()
	}
	o.config = start.cfg
	return serve(o, nil, orders)
}

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a configuration",
		Long: `check does everything that a reload does, except for opening sockets and the
log: of log.output it sees whether a file can be there, not who may write it.
Each fault is one line on stderr with file, line, column, key and what was
expected.`,
		Example: `  sluice check /etc/sluice/sluice.toml
  sluice check new.toml && kill -HUP "$(pidof sluice)"`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: work(func(c *cobra.Command, args []string) error {
			cfg, err := load(args[0])
			if err == nil {
				err = errors.Join(knowsAll(cfg), control.Check(cfg))
			}
			if err != nil {
				return &faults{err}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "OK: %s, %s, %s\n",
				count(len(cfg.Listeners), "listener"),
				count(len(cfg.Pools), "pool"),
				count(countBackends(cfg), "backend"))
			return err
		}),
	}
}

// count is n things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
