package cmd

import (
	"context"
	"slices"
	"strings"

	"go.uber.org/zap"

	"sluice/admin"
	"sluice/config"
	"sluice/control"
)

// reload puts the file's present content in force, all of it or nothing. All
// ways to ask for it end here, one at a time.
func (p *process) reload() (control.Plan, error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	if p.tooLate() {
		return control.Plan{}, admin.ErrStopping
	}
	p.announce(saysReloading)
	defer p.announce(saysReloaded)
	cfg, err := p.read(p.path)
	if err != nil {
		return control.Plan{}, p.refuse(err)
	}
	commit, drop, err := p.logs.prepare(cfg.Log)
	if err != nil {
		return control.Plan{}, p.refuse(err)
	}
	doors, err := p.admin.Prepare(cfg.Admin)
	if err != nil {
		drop()
		return control.Plan{}, p.refuse(err)
	}
	plan, err := p.control.Reload(cfg)
	if err != nil {
		drop()
		doors.Drop()
		return control.Plan{}, p.refuse(err)
	}
	// Of a data plane that is shutting down the table has changed nothing.
	if p.tooLate() {
		drop()
		doors.Drop()
		return control.Plan{}, admin.ErrStopping
	}
	commit()
	p.data.TellBegun(p.logs.access.Load().begins())
	p.config.Store(cfg)
	p.saveConfig(cfg)
	missed := doors.Commit()
	p.follow(cfg)
	for _, key := range fixedKeys(p.atStart, cfg.Runtime) {
		p.log.Warn("reload: runtime." + key + " is not what this process was started with and takes effect at the next start")
	}
	p.warnOfAdmin(missed)
	if idle := p.passed.unused(cfg); !slices.Equal(idle, p.idle) {
		p.idle = idle
		p.warnOfIdle(idle)
	}
	p.log.Info("reloaded", append([]zap.Field{
		zap.String("config", p.path),
		zap.Stringer("changes", plan),
	}, p.describe()...)...)
	return plan, nil
}

// plan says how the file differs from what is in force, and changes nothing.
func (p *process) plan() ([]config.Difference, error) {
	cfg, err := p.read(p.path)
	if err == nil {
		err = control.Check(cfg)
	}
	if err != nil {
		return nil, err
	}
	return config.Diff(p.config.Load(), cfg), nil
}

// watcher makes what watches the files of a configuration until ctx is done.
func (p *process) watcher(ctx context.Context) func(*config.Config) {
	w := &watch{log: p.log, changed: func() {
		p.log.Info("the configuration has changed on disk")
		_, _ = p.reload() // it has logged the outcome
	}}
	return func(cfg *config.Config) {
		var sources []string
		if cfg.Runtime.Watch {
			sources = cfg.Sources
		}
		w.follow(ctx, sources)
	}
}

// warnOfAdmin says why there is no admin API, if there is a reason to.
func (p *process) warnOfAdmin(missed error) {
	if missed != nil {
		p.log.Warn(`no admin API: its default address is taken; a reload tries again; admin.bind names another, "" is none`, zap.Error(missed))
	}
}

// warnOfIdle says which of the sockets that were passed are not in use, if any.
func (p *process) warnOfIdle(names []string) {
	if names != nil {
		p.log.Warn("sockets that were passed are not in use: nobody accepts there", zap.Strings("names", names))
	}
}

// tooLate reports whether the process is stopping, and logs what that means.
func (p *process) tooLate() bool {
	if !p.stopping.Load() {
		return false
	}
	p.log.Warn("reload ignored: the process is stopping")
	return true
}

// refuse logs why nothing has changed, and returns it.
func (p *process) refuse(err error) error {
	lines := faultLines(err)
	for _, line := range lines {
		p.log.Error("reload: " + line)
	}
	p.log.Error("reload refused: nothing has changed", zap.Int("faults", len(lines)))
	return err
}

// fixedKeys names what differs of that which is fixed for the life of a process.
func fixedKeys(before, after config.Runtime) []string {
	var keys []string
	if before.Workers != after.Workers {
		keys = append(keys, "workers")
	}
	if before.MaxConnections != after.MaxConnections {
		keys = append(keys, "max_connections")
	}
	if before.PipeSize != after.PipeSize {
		keys = append(keys, "pipe_size")
	}
	if before.SurviveCrash != after.SurviveCrash {
		keys = append(keys, "survive_crash")
	}
	if before.StateDir != after.StateDir {
		keys = append(keys, "state_dir")
	}
	return keys
}

func (p *process) reopen() {
	if err := p.logs.reopen(); err != nil {
		p.log.Error("log not reopened, the old file stays in use", zap.Error(err))
		return
	}
	p.log.Info("log reopened", zap.String("output", p.config.Load().Log.Output))
}

// faultLines is err with one line for each fault.
func faultLines(err error) []string {
	return strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
}
