package cmd

import (
	"strings"

	"go.uber.org/zap"

	"sluice/config"
)

// reload puts the file's present content in force, all of it or nothing.
func (p *process) reload() {
	if p.tooLate() {
		return
	}
	cfg, err := p.load(p.path)
	if err != nil {
		p.refuse(err)
		return
	}
	commit, drop, err := p.logs.prepare(cfg.Log)
	if err != nil {
		p.refuse(err)
		return
	}
	plan, err := p.control.Reload(cfg)
	if err != nil {
		drop()
		p.refuse(err)
		return
	}
	// Of a data plane that is shutting down the table has changed nothing.
	if p.tooLate() {
		drop()
		return
	}
	commit()
	for _, key := range fixedKeys(p.atStart, cfg.Runtime) {
		p.log.Warn("reload: runtime." + key + " is not what this process was started with and takes effect at the next start")
	}
	p.config.Store(cfg)
	p.log.Info("reloaded", append([]zap.Field{
		zap.String("config", p.path),
		zap.Stringer("changes", plan),
	}, p.describe()...)...)
}

// tooLate reports whether the process is stopping, and logs what that means.
func (p *process) tooLate() bool {
	if !p.stopping.Load() {
		return false
	}
	p.log.Warn("reload ignored: the process is stopping")
	return true
}

func (p *process) refuse(err error) {
	lines := faultLines(err)
	for _, line := range lines {
		p.log.Error("reload: " + line)
	}
	p.log.Error("reload refused: nothing has changed", zap.Int("faults", len(lines)))
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
