package admin

import (
	"context"
	"time"

	"sluice/config"
	"sluice/control"
)

// Process is the running balancer as far as it is not the state and not the
// data plane. All methods may be called by anyone at any time.
type Process interface {
	About() About
	// Reload puts the file's present content in force, or changes nothing and
	// says why: the error may be one that errors.Join made.
	Reload(ctx context.Context) (control.Plan, error)
	// Plan says how the file differs from what is in force.
	Plan() ([]config.Difference, error)
	// Upgrade begins to replace the running program by the one at a path; "" is
	// the path it was started from. What becomes of it is in History, under the
	// number that is returned.
	Upgrade(binary string) (number int, err error)
	LogLevel() string
	LogLinesLost() uint64 // since the start
	// SetLogLevel holds until the next reload. It is false for a level that is
	// not known.
	SetLogLevel(level string) bool
	// History is the handovers of this balancer, the oldest first.
	History() []Handover
}

// About is what a process says of itself.
type About struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit"`
	Go       string    `json:"go"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Config   string    `json:"config"` // the path of the file
	NotReady string    `json:"not_ready,omitempty"`
}

// Handover is one passing of the balancer from a process to the next.
type Handover struct {
	Number      int       `json:"number"` // from 1
	Time        time.Time `json:"time"`
	Kind        string    `json:"kind"`    // crash or upgrade
	Outcome     string    `json:"outcome"` // running, done or failed
	Why         string    `json:"why"`     // what ended the process before, or what failed
	Version     string    `json:"version"` // of the process after it
	Connections int       `json:"connections"`
	PauseMS     float64   `json:"pause_ms"` // how long no byte moved
}

// The outcomes of a handover.
const (
	HandoverRunning = "running"
	HandoverDone    = "done"
	HandoverFailed  = "failed"
)
