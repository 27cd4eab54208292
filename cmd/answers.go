package cmd

import (
	"context"
	"slices"

	"sluice/admin"
	"sluice/config"
	"sluice/control"
)

// answers is what the admin API can ask of a process.
type answers struct{ p *process }

// About implements admin.Process.
func (a answers) About() admin.About {
	b := thisBuild()
	about := admin.About{
		Version: b.version, Commit: b.commit, Go: b.golang,
		PID: a.p.mainPID(), Started: a.p.began, Config: a.p.path,
	}
	if a.p.stopping.Load() {
		about.NotReady = "stopping"
	}
	return about
}

// Reload implements admin.Process. A reload that has begun is not given up when
// who asked for it leaves.
func (a answers) Reload(context.Context) (control.Plan, error) { return a.p.reload() }

// Plan implements admin.Process.
func (a answers) Plan() ([]config.Difference, error) { return a.p.plan() }

// Upgrade implements admin.Process.
func (a answers) Upgrade(binary string) (int, error) { return a.p.upgrade(binary) }

// LogLevel implements admin.Process.
func (a answers) LogLevel() string { return a.p.logs.level.String() }

// LogLinesLost implements admin.Process.
func (a answers) LogLinesLost() uint64 { return a.p.logs.sink.lostInAll() }

// SetLogLevel implements admin.Process.
func (a answers) SetLogLevel(level string) bool {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return false
	}
	return a.p.logs.level.UnmarshalText([]byte(level)) == nil
}

// History implements admin.Process.
func (a answers) History() (list []admin.Handover) {
	if a.p.life == nil {
		return nil
	}
	for _, h := range a.p.life.page.History() {
		list = append(list, admin.Handover{
			Number: h.Number, Time: h.At, Kind: h.Reason.String(), Outcome: h.Outcome.String(), Why: h.Why,
			Version: h.Version, Connections: h.Connections, PauseMS: float64(h.Pause.Microseconds()) / 1000,
		})
	}
	return list
}
