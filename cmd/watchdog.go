package cmd

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchdogVar has the time within which systemd wants to hear from the service,
// in microseconds (sd_watchdog_enabled(3)).
const watchdogVar = "WATCHDOG_USEC"

// watchdog is how the main process sees that the worker process hangs: it has to
// say, four times within the interval of systemd's watchdog, that all its event
// loops turn. Only then does systemd hear that the service is alive. One that is
// silent is killed, and survived as a crash is, before systemd kills everything;
// if that does not help, systemd does.
//
//	alive ... alive --3/4 of the interval--> ABRT --3/4--> KILL --> left to systemd
//	  ^                                       |             |
//	  +------------- the next one is alive ---+-------------+
type watchdog struct {
	interval time.Duration // 0: nobody asks for it
	late     *time.Timer
	strikes  int // since the last sign of life
}

func newWatchdog() (*watchdog, error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	w := &watchdog{interval: interval, late: time.NewTimer(time.Hour)}
	w.late.Stop()
	return w, err
}

// env is what the worker process has to know of it.
func (w *watchdog) env() []string {
	if w.interval == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s=%d", watchdogVar, w.interval.Microseconds())}
}

// alive begins to wait for the next sign of life.
func (w *watchdog) alive() {
	w.strikes = 0
	w.wait()
}

func (w *watchdog) wait() {
	if w.interval > 0 {
		w.late.Reset(w.interval * 3 / 4)
	}
}

// bite ends a worker process that has been silent for too long. The first signal
// makes it say where all its goroutines are.
func (s *supervisor) bite() {
	w, pid := s.watchdog, s.page.Worker()
	w.strikes++
	if w.strikes > 2 || s.stopped {
		return
	}
	fmt.Fprintf(s.stderr, "sluice: the worker process %d has been silent for %v (WatchdogSec); it is killed, and another takes its connections over\n", pid, w.interval*3/4)
	if w.strikes == 1 {
		_ = syscall.Kill(pid, syscall.SIGABRT)
		_ = syscall.Kill(pid, syscall.SIGCONT) // a stopped process hears nothing else
	} else {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	tell(saysAlive, "")
	w.wait()
}

// beat says again and again that all workers of the data plane answer, if
// systemd's watchdog wants to hear it.
func (p *process) beat(ctx context.Context) {
	interval, _ := daemon.SdWatchdogEnabled(false) // the main process has complained
	if interval == 0 {
		return
	}
	tick := time.NewTicker(interval / 4)
	defer tick.Stop()
	for {
		if p.data.WorkerTimes() != nil {
			p.announce(saysAlive)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
