package cmd

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"sluice/internal/keeper"
	"sluice/internal/sys"
)

// roleVar is the environment variable that has asWorker in a worker process.
const (
	roleVar  = "SLUICE_ROLE"
	asWorker = "worker"
)

// cleanAtMost is how often the main process starts anew what has crashed in a
// loop: once in this time.
const cleanAtMost = time.Minute

// supervisor is the main process of a balancer that survives its crashes. It
// serves nobody: it starts the worker process and stays for its whole life what
// others take for the balancer. It reaps, passes signals on, and tells systemd.
//
//	          starts
//	main ----------------> worker --dies, the keeper runs--> worker ... --dies--> nobody is left
//	  ^                                                                               |
//	  |   ends with its exit code <--- it was to stop, or has never served -----------+
//	  +------------------- starts clean, connections are lost <-----------------------+
type supervisor struct {
	page     *keeper.Page
	line     *line
	heard    <-chan string
	orders   *orders
	passed   passed
	quit     chan os.Signal // QUIT
	deaths   chan os.Signal // CHLD
	stderr   io.Writer
	watchdog *watchdog
	workers  []int              // those that have said hello and were not reaped yet
	last     syscall.WaitStatus // of the worker that died last
	stopped  bool               // it was told to stop
	served   bool               // since the last clean start
	clean    time.Time          // of the last clean start
}

func newSupervisor(stderr io.Writer, o *orders, sockets passed) *supervisor {
	dog, err := newWatchdog()
	if err != nil {
		fmt.Fprintf(stderr, "sluice: no watchdog: %v\n", err)
	}
	s := &supervisor{orders: o, stderr: stderr, watchdog: dog, passed: sockets, quit: make(chan os.Signal, 1), deaths: make(chan os.Signal, 1)}
	signal.Notify(s.deaths, syscall.SIGCHLD)
	signal.Notify(s.quit, syscall.SIGQUIT)
	signal.Ignore(syscall.SIGPIPE)
	return s
}

// run is the life of the main process.
//
// It is of the program that it was started from to its end. To become the one
// that an upgrade has brought would take an execve, and a TERM that comes before
// a Go program listens ends it, as the runtime has it unblocked by then.
func (s *supervisor) run() error {
	if err := s.start(); err != nil {
		return err
	}
	select {
	case s.deaths <- syscall.SIGCHLD: // whoever died before the signal was heard
	default:
	}
	return s.stay()
}

// start makes the page and the first worker process.
func (s *supervisor) start() (err error) {
	if s.page, err = keeper.NewPage(); err != nil {
		return err
	}
	return s.spawn()
}

// connect takes the line over.
func (s *supervisor) connect(fd int) (err error) {
	if s.line, err = newLine(fd); err == nil {
		s.heard = s.line.listen()
	}
	return err
}

// spawn starts a worker process that has no predecessor.
func (s *supervisor) spawn() error {
	s.watchdog.rest()
	mine, its, err := sys.Pair()
	if err != nil {
		return err
	}
	defer sys.Close(its)
	if err := s.connect(mine); err != nil {
		return err
	}
	s.page.SetControl(lineFD)
	env := append(ownEnvironment(), roleVar+"="+asWorker, keeper.Env+"="+strconv.Itoa(pageFD))
	env = append(append(env, s.watchdog.env()...), s.passed.env()...)
	files := []uintptr{0, 1, 2, uintptr(s.page.FD()), uintptr(its)}
	for _, fd := range s.passed.descriptors() {
		files = append(files, uintptr(fd))
	}
	pid, err := sys.Spawn("/proc/self/exe", os.Args, env, files)
	if err != nil {
		return err
	}
	s.page.SetWorker(pid)
	s.workers = append(s.workers, pid)
	return nil
}

// The descriptors of a first worker process, beside its standard streams.
const (
	pageFD   = 3
	lineFD   = 4
	passedFD = 5 // and those behind it: sockets that systemd passed
)

// ownEnvironment is the environment without what is between sluice and systemd,
// and between the processes of sluice.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "WATCHDOG_PID", watchdogVar, passedVar, roleVar, keeper.Env}, name)
	})
}

// stay serves signals, deaths and the worker's words until nobody is left.
func (s *supervisor) stay() error {
	for {
		select {
		case sig := <-s.orders.stop:
			s.stopped = true
			s.pass(sig)
		case sig := <-s.orders.reload:
			s.pass(sig)
		case sig := <-s.orders.reopen:
			s.pass(sig)
		case sig := <-s.orders.upgrade:
			s.pass(sig)
		case <-s.quit:
			_ = syscall.Kill(s.page.Worker(), syscall.SIGQUIT)
		case <-s.deaths:
			if over, err := s.reap(); over {
				return err
			}
		case <-s.watchdog.late.C:
			s.bite()
		case words, ok := <-s.heard:
			s.hear(words, ok)
		}
	}
}

// catchUp obeys what has been said by now.
func (s *supervisor) catchUp() {
	for {
		select {
		case words, ok := <-s.heard:
			s.hear(words, ok)
		default:
			return
		}
	}
}

// pass passes a signal on, over the line, where it waits if one worker process is
// just taking the other's place. Only QUIT is sent as it is: it is for the
// runtime of the process there is.
func (s *supervisor) pass(sig os.Signal) {
	s.line.say(saysSignal, int(sig.(syscall.Signal)))
}

// hear obeys what the worker process says; not ok: it will say no more.
func (s *supervisor) hear(words string, ok bool) {
	if !ok {
		s.heard = nil
		return
	}
	word, more, _ := strings.Cut(words, " ")
	switch word {
	case saysHello:
		if pid, err := strconv.Atoi(more); err == nil && !slices.Contains(s.workers, pid) {
			s.workers = append(s.workers, pid)
		}
		if s.served {
			s.watchdog.wait() // it has the whole time to begin
		}
		if s.stopped { // the one before it may have heard it and died
			s.line.say(saysSignal, int(syscall.SIGTERM), again)
		}
	case saysReady:
		s.served = true
	case saysAlive:
		s.watchdog.alive()
	}
	tell(word, more)
}

// tell tells systemd, if that has started us, what the worker process says.
func tell(word, more string) {
	var state string
	switch word {
	case saysReady, saysReloaded:
		state = daemon.SdNotifyReady
	case saysReloading:
		state = fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, sys.Monotonic()/1000)
	case saysStopping:
		state = daemon.SdNotifyStopping
	case saysAlive:
		state = daemon.SdNotifyWatchdog
	case saysStatus:
		state = "STATUS=" + more
	default:
		return
	}
	_, _ = daemon.SdNotify(false, state)
}

// reap takes every child that has ended. When nobody serves any more, and nobody
// is about to, it is over, or there is a clean start.
func (s *supervisor) reap() (over bool, err error) {
	for {
		pid, status, ok := sys.Reap()
		if !ok {
			break
		}
		if i := slices.Index(s.workers, pid); i >= 0 {
			s.workers = slices.Delete(s.workers, i, i+1)
			s.page.SetStatus(pid, status)
			s.last = status
		} else if pid == s.page.Worker() {
			s.last = status
		} else if pid == s.page.Keeper() {
			s.line.say(saysAlone)
		}
		s.page.Reaped(pid)
	}
	if sys.Exists(s.page.Worker()) || sys.Exists(s.page.Keeper()) || sys.Exists(s.page.Holder()) {
		return false, nil
	}
	if s.stopped || !s.served || s.page.Phase() == keeper.Leaving {
		return true, ended(s.last)
	}
	if time.Since(s.clean) < cleanAtMost {
		fmt.Fprintf(s.stderr, "sluice: the worker process has crashed in a loop again (%s); giving up\n", howItDied(s.last))
		return true, &exited{exitError}
	}
	s.line.close()
	s.clean, s.served = time.Now(), false
	s.page.Clean("the worker process has crashed in a loop, at last: " + howItDied(s.last))
	if err := s.spawn(); err != nil {
		return true, err
	}
	return false, nil
}

// nameProcess gives a process the name of its program, which execve of an open
// file does not.
func nameProcess() {
	_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0)
}
