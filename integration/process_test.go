package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// Process is sluice, running.
type Process struct {
	*Journal
	tb       testing.TB
	cmd      *exec.Cmd
	config   string
	ready    Line
	exited   chan struct{}
	lawfully bool // it was told to stop
	panics   bool // and may
}

// Option changes how the process is started.
type Option func(*exec.Cmd)

// NoFile limits the open files of the process.
func NoFile(n int) Option {
	return func(c *exec.Cmd) { c.Env = append(c.Env, fmt.Sprintf("%s=%d", nofileVar, n)) }
}

// AsNobody makes the process give up root.
func AsNobody(c *exec.Cmd) { c.Env = append(c.Env, userVar+"=65534") }

// Sluice runs sluice with a configuration and waits until it accepts. When the
// test ends it is stopped, and must exit with 0.
func Sluice(tb testing.TB, toml string, options ...Option) *Process {
	tb.Helper()
	p := Launch(tb, toml, options...)
	line, ok := p.Await(0, 20*time.Second, Says("started"))
	if !ok {
		tb.Fatalf("sluice did not start:\n%s", p.Tail(30))
	}
	p.ready = line
	return p
}

// Launch is Sluice without waiting.
func Launch(tb testing.TB, toml string, options ...Option) *Process {
	tb.Helper()
	p := &Process{
		Journal: newJournal(),
		tb:      tb,
		config:  filepath.Join(testnet.Dir(tb), "sluice.toml"),
		exited:  make(chan struct{}),
	}
	p.write(toml)
	p.cmd = exec.Command(os.Args[0], "run", "--config", p.config)
	// The race detector would sleep for a second at the end of each process.
	p.cmd.Env = append(os.Environ(), asVar+"=sluice", "GORACE=atexit_sleep_ms=0")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, o := range options {
		o(p.cmd)
	}
	r, w, err := os.Pipe()
	testnet.Must(tb, "pipe", err)
	p.cmd.Stdout, p.cmd.Stderr = w, w
	testnet.Must(tb, "start sluice", p.cmd.Start())
	w.Close()
	go func() {
		p.follow(r)
		r.Close()
		p.cmd.Wait()
		close(p.exited)
	}()
	tb.Cleanup(p.end)
	return p
}

// write writes a configuration. Unless it says otherwise it has no admin API,
// or all tests would want the same port.
func (p *Process) write(toml string) {
	if !strings.Contains(toml, "[admin]") {
		toml += "\n[admin]\nbind = \"\"\n"
	}
	testnet.Must(p.tb, "write the configuration", os.WriteFile(p.config, []byte(toml), 0o644))
}

// Front is the first address where a listener accepts.
func (p *Process) Front(listener string) string { return p.Fronts(listener)[0] }

// Fronts are all of them.
func (p *Process) Fronts(listener string) []string {
	p.tb.Helper()
	addresses := strings.Fields(p.ready.Listeners[listener])
	if len(addresses) == 0 {
		p.tb.Fatalf("listener %s is not in %q", listener, p.ready.Raw)
	}
	return addresses
}

// PID is the number of the process that serves: the latest worker process.
func (p *Process) PID() int {
	pid := p.cmd.Process.Pid
	for _, l := range p.All(func(l Line) bool { return l.WorkerPID != 0 }) {
		pid = l.WorkerPID
	}
	return pid
}

// Signal sends a signal to the main process.
func (p *Process) Signal(s syscall.Signal) {
	p.tb.Helper()
	testnet.Must(p.tb, "signal "+s.String(), p.cmd.Process.Signal(s))
}

// Reload writes a configuration, sends SIGHUP and waits for the outcome. It
// returns all lines about it; the last says whether it was taken.
func (p *Process) Reload(toml string) (taken bool, lines []Line) {
	p.tb.Helper()
	p.write(toml)
	from := p.Len()
	p.Signal(syscall.SIGHUP)
	last, ok := p.Await(from, patience, func(l Line) bool {
		return l.Msg == "reloaded" || strings.HasPrefix(l.Msg, "reload refused")
	})
	if !ok {
		p.tb.Fatalf("no word of the reload:\n%s", p.Tail(30))
	}
	if last.Msg == "reloaded" {
		p.ready = last
	}
	n := 0
	return last.Msg == "reloaded", p.All(func(l Line) bool {
		n++
		return n > from && strings.HasPrefix(l.Msg, "reload")
	})
}

// Say waits for a line, and fails the test if it does not come.
func (p *Process) Say(patience time.Duration, what string, match func(Line) bool) Line {
	p.tb.Helper()
	l, ok := p.Await(0, patience, match)
	if !ok {
		p.tb.Fatalf("not logged within %v: %s; the end of the log:\n%s", patience, what, p.Tail(20))
	}
	return l
}

// Exit waits until the process has ended and returns its exit code.
func (p *Process) Exit(patience time.Duration) int {
	p.tb.Helper()
	p.lawfully = true
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.tb.Fatalf("sluice did not end within %v:\n%s", patience, p.Tail(20))
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop ends the process with SIGTERM. It must exit with 0. It returns the line
// "stopped".
func (p *Process) Stop() Line {
	p.tb.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(45 * time.Second); code != 0 {
		p.tb.Errorf("sluice exited with %d:\n%s", code, p.Tail(40))
	}
	l, ok := p.Await(0, time.Second, Says("stopped"))
	if !ok {
		p.tb.Errorf("sluice ended without a word:\n%s", p.Tail(20))
	}
	return l
}

// end is the end of the test.
func (p *Process) end() {
	select {
	case <-p.exited:
		if !p.lawfully {
			p.tb.Errorf("sluice died: %v", p.cmd.ProcessState)
		}
	default:
		if !p.tb.Failed() {
			p.Stop()
		}
		p.cmd.Process.Kill()
		<-p.exited
	}
	for _, l := range p.All(func(l Line) bool { return l.Msg == "" }) {
		for _, bad := range []string{"panic:", "fatal error:", "DATA RACE", "SIGSEGV"} {
			if strings.Contains(l.Raw, bad) && !(p.panics && bad == "panic:") {
				p.tb.Errorf("sluice wrote %q", l.Raw)
			}
		}
	}
	if p.tb.Failed() {
		p.tb.Logf("the end of sluice's log:\n%s", p.Tail(60))
	}
}
