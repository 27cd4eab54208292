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
	due      time.Time // when that fires
	strikes  int       // since the last sign of life
	excused  bool      // the latest firing was no strike: this process had not run
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
	w.strikes, w.excused = 0, false
	w.wait()
}

func (w *watchdog) wait() {
	if w.interval > 0 {
		w.due = time.Now().Add(w.interval * 3 / 4)
		w.late.Reset(w.interval * 3 / 4)
	}
}

// rest waits for nothing: there is a worker process that has not yet served.
func (w *watchdog) rest() {
	w.late.Stop()
	w.strikes, w.excused = 0, false
}

// excuse reports whether the timer that has just fired proves nothing: this process
// did not run itself when it should have, nor perhaps did the other. That is
// believed once.
func (w *watchdog) excuse() bool {
	w.excused = !w.excused && time.Since(w.due) > w.interval/8
	return w.excused
}

// bite ends a worker process that has been silent for too long. The first signal
// makes it say where all its goroutines are.
func (s *supervisor) bite() {
	s.catchUp()
	w := s.watchdog
	if time.Now().Before(w.due) { // it has said something meanwhile
		return
	}
	if w.excuse() {
		tell(saysAlive, "")
		w.wait()
		return
	}
	w.strikes++
	if w.strikes > 2 || s.stopped {
		return
	}
	pid := s.page.Worker()
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
