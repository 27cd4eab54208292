package cmd

import (
	"fmt"
	"syscall"
)

// exited is how the worker process ended, as the exit code of the main process.
type exited struct{ code int }

func (e *exited) Error() string { return fmt.Sprintf("the worker process ended with %d", e.code) }

// ended is the exit code that a wait status comes to, as a shell has it.
func ended(s syscall.WaitStatus) error {
	switch {
	case s.Signaled():
		return &exited{128 + int(s.Signal())}
	case s.ExitStatus() == 0:
		return nil
	}
	return &exited{s.ExitStatus()}
}

// howItDied is a wait status in words.
func howItDied(s syscall.WaitStatus) string {
	switch {
	case s.Signaled():
		return fmt.Sprintf("killed by signal %d (%v)", int(s.Signal()), s.Signal())
	case s.ExitStatus() == 2:
		return "it ended with 2, as a panic or a fatal error of the runtime does"
	}
	return fmt.Sprintf("it ended with %d", s.ExitStatus())
}
