package cmd

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/keeper"
	"sluice/internal/testnet"
)

// late is a watchdog whose timer has fired, and was handled that much later.
func late(by time.Duration) *watchdog {
	w := &watchdog{interval: 8 * time.Second, late: time.NewTimer(time.Hour)}
	w.wait()
	<-w.late.C
	time.Sleep(by)
	return w
}

func TestAKeeperThatDidNotRunIsExcusedOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		by   time.Duration
		want [2]bool
	}{
		{"in time", 0, [2]bool{false, false}},
		{"a little late", time.Second, [2]bool{false, false}},
		{"it was starved", time.Second + 1, [2]bool{true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := late(tt.by)
				defer w.late.Stop()
				var got [2]bool
				for i := range got {
					if i > 0 {
						w.wait()
						<-w.late.C
						time.Sleep(tt.by)
					}
					got[i] = w.excuse()
				}
				if got != tt.want {
					t.Errorf("excused %v, want %v", got, tt.want)
				}
				w.alive()
				<-w.late.C
				time.Sleep(2 * time.Second)
				if !w.excuse() {
					t.Error("not excused after a sign of life")
				}
			})
		})
	}
}

// victim is a supervisor of a process that only waits to be killed.
func victim(t *testing.T, w *watchdog) (s *supervisor, said *bytes.Buffer, ended <-chan syscall.WaitStatus) {
	t.Helper()
	page, err := keeper.NewPage()
	testnet.Must(t, "page", err)
	c := exec.Command("sleep", "60")
	testnet.Must(t, "start", c.Start())
	page.SetWorker(c.Process.Pid)
	status := make(chan syscall.WaitStatus, 1)
	go func() {
		_ = c.Wait()
		status <- c.ProcessState.Sys().(syscall.WaitStatus)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		testnet.Eventually(t, patience, "it has ended", func() bool { return c.Process.Signal(syscall.Signal(0)) != nil })
		syscall.Close(page.FD())
	})
	said = &bytes.Buffer{}
	return &supervisor{page: page, watchdog: w, stderr: said}, said, status
}

func TestASignOfLifeThatWaitsIsHeardFirst(t *testing.T) {
	past := &watchdog{interval: 8 * time.Second, late: time.NewTimer(time.Hour), due: time.Now()}
	defer past.late.Stop()
	s, said, _ := victim(t, past)
	heard := make(chan string, 2)
	heard <- saysStatus + " well"
	heard <- saysAlive
	s.heard = heard
	s.bite()
	if past.strikes != 0 || said.Len() > 0 {
		t.Errorf("%d strikes, said %q", past.strikes, said)
	}
	// Without one it is killed.
	past.due = time.Now()
	s.bite()
	if past.strikes != 1 || !strings.Contains(said.String(), "has been silent for 6s") {
		t.Errorf("%d strikes, said %q", past.strikes, said)
	}
}

func TestAKeeperThatDidNotRunDoesNotBite(t *testing.T) {
	starved := &watchdog{interval: 8 * time.Second, late: time.NewTimer(time.Hour), due: time.Now().Add(-time.Minute)}
	defer starved.late.Stop()
	s, said, ended := victim(t, starved)
	s.bite()
	if starved.strikes != 0 || said.Len() > 0 || time.Until(starved.due) < 5*time.Second {
		t.Errorf("%d strikes, said %q, waits for %v", starved.strikes, said, time.Until(starved.due))
	}
	starved.due = time.Now().Add(-time.Minute) // again
	s.bite()
	if how := <-ended; how.Signal() != syscall.SIGABRT || starved.strikes != 1 {
		t.Errorf("%d strikes, ended by %v", starved.strikes, how.Signal())
	}
}

// A start without a predecessor, here one that fails at once for want of
// descriptors, has nothing of the process before.
func TestACleanStartWaitsForNothing(t *testing.T) {
	w := &watchdog{interval: time.Hour, late: time.NewTimer(time.Hour), strikes: 2, excused: true}
	var limit syscall.Rlimit
	testnet.Must(t, "limit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	testnet.Must(t, "limit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}))
	err := (&supervisor{watchdog: w}).spawn()
	testnet.Must(t, "limit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("got %v, want that there are no descriptors", err)
	}
	if w.strikes != 0 || w.excused || w.late.Stop() {
		t.Errorf("%d strikes, excused %v, or the timer runs", w.strikes, w.excused)
	}
}
