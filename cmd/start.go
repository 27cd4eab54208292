package cmd

import (
	"os"

	"sluice/config"
)

// opened is what a start reads and opens.
type opened struct {
	config *config.Config
	logs   *logs
	err    error
}

// open reads the configuration, as load does, and opens its log. All of it is nil
// when the order to stop came first: a disk is not waited for then.
func (o serveOptions) open(load func(string) (*config.Config, error), stop <-chan os.Signal) opened {
	return unlessStopped(stop, func() opened {
		cfg, err := load(o.path)
		if err != nil {
			return opened{err: err}
		}
		logs, err := newLogs(cfg.Log, o.stdout, o.stderr)
		return opened{cfg, logs, err}
	})
}

// unlessStopped does what a disk can hold up. It returns the zero value when the
// order to stop comes first.
func unlessStopped[T any](stop <-chan os.Signal, do func() T) (v T) {
	done := make(chan T, 1)
	go func() { done <- do() }()
	select {
	case v = <-done:
	case <-stop:
	}
	return v
}
