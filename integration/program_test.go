package integration

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// Program is a server or helper that a test started.
type Program struct {
	tb     testing.TB
	cmd    *exec.Cmd
	out    *bytes.Buffer
	exited chan struct{}
	once   sync.Once
}

// Run starts a program that runs until the test ends. It is stopped with
// SIGTERM, and killed if it does not obey.
func Run(tb testing.TB, path string, args ...string) *Program {
	tb.Helper()
	return RunCommand(tb, exec.Command(path, args...))
}

// RunCommand is Run for a command that needs preparation.
func RunCommand(tb testing.TB, c *exec.Cmd) *Program {
	tb.Helper()
	p := &Program{tb: tb, cmd: c, out: &bytes.Buffer{}, exited: make(chan struct{})}
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if c.Stdout == nil {
		c.Stdout = p.out
	}
	if c.Stderr == nil {
		c.Stderr = c.Stdout
	}
	testnet.Must(tb, "start "+c.Path, c.Start())
	go func() {
		c.Wait()
		close(p.exited)
	}()
	tb.Cleanup(p.Stop)
	return p
}

// Stop ends the program. It may be called again.
func (p *Program) Stop() {
	p.once.Do(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(10 * time.Second):
			p.Kill()
		}
		if p.tb.Failed() {
			p.tb.Logf("%s wrote:\n%s", p.cmd.Path, p.out)
		}
	})
}

// State is how the program ended, if it has.
func (p *Program) State() string {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.String()
	default:
		return "running"
	}
}

// Kill ends the program with SIGKILL.
func (p *Program) Kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// AwaitAnswer waits until address accepts connections.
func (p *Program) AwaitAnswer(address string) {
	p.tb.Helper()
	up := testnet.Until(20*time.Second, func() bool {
		if p.State() != "running" {
			return true
		}
		c, err := testnet.TryDial(address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if s := p.State(); s != "running" {
		p.tb.Fatalf("%s ended at once: %s\n%s", p.cmd.Path, s, p.out)
	}
	if !up {
		p.tb.Fatalf("%s does not answer at %s", p.cmd.Path, address)
	}
}

// Output runs a program to its end and returns what it wrote. It must exit
// with 0.
func Output(tb testing.TB, path string, args ...string) string {
	tb.Helper()
	return OutputOf(tb, exec.Command(path, args...))
}

// OutputOf is Output for a command that needs preparation.
func OutputOf(tb testing.TB, c *exec.Cmd) string {
	tb.Helper()
	c.SysProcAttr = orNew(c.SysProcAttr)
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	out, err := c.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, out)
	}
	return string(out)
}

// Helper starts this binary as one of the helpers. What it writes is kept in a
// journal.
func Helper(tb testing.TB, name string, args ...string) (*Program, *Journal) {
	tb.Helper()
	return helperWithInput(tb, nil, name, args...)
}

// helperWithInput is Helper for one that reads.
func helperWithInput(tb testing.TB, stdin *os.File, name string, args ...string) (*Program, *Journal) {
	tb.Helper()
	return startHelper(tb, exec.Command(os.Args[0], args...), stdin, name)
}

// helperAt is helperWithInput in a network namespace.
func helperAt(tb testing.TB, ns string, stdin *os.File, name string, args ...string) (*Program, *Journal) {
	tb.Helper()
	c := exec.Command(os.Args[0], args...)
	at(ns)(c)
	return startHelper(tb, c, stdin, name)
}

func startHelper(tb testing.TB, c *exec.Cmd, stdin *os.File, name string) (*Program, *Journal) {
	tb.Helper()
	c.Env = append(os.Environ(), asVar+"="+name)
	if stdin != nil {
		c.Stdin = stdin
	}
	r, w, err := os.Pipe()
	testnet.Must(tb, "pipe", err)
	c.Stdout = w
	p := RunCommand(tb, c)
	w.Close()
	j := newJournal()
	done := make(chan struct{})
	go func() {
		j.follow(r)
		r.Close()
		close(done)
	}()
	tb.Cleanup(func() {
		p.Stop()
		<-done
		if tb.Failed() {
			tb.Logf("%s wrote:\n%s", name, j.Tail(20))
		}
	})
	return p, j
}

func orNew(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	if a == nil {
		return &syscall.SysProcAttr{}
	}
	return a
}
