package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sluice/internal/testnet"
)

// asVar is what a process of this binary is: nothing for the driver.
const asVar = "SLUICE_BENCH_AS"

// Process is a program that the driver started, with all that it started.
type Process struct {
	cmd    *exec.Cmd
	out    *tail
	exited chan struct{}
}

// start starts c in a namespace, as the leader of a process group.
func (l *launcher) start(ns *Namespace, c *exec.Cmd) (*Process, error) {
	p := &Process{cmd: c, out: &tail{}, exited: make(chan struct{})}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if c.Stdout == nil {
		c.Stdout = p.out
	}
	c.Stderr = p.out
	if err := l.in(ns, c.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	go func() {
		c.Wait()
		close(p.exited)
	}()
	return p, nil
}

// pids are those of the program and of all its descendants, and of who else is
// in its group: a helper may have outlived its parent.
func (p *Process) pids() []int {
	root := p.cmd.Process.Pid
	parent, group := map[int]int{}, map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := statFields(pid); len(f) > 2 && f[0] != "Z" {
			parent[pid], _ = strconv.Atoi(f[1])
			group[pid], _ = strconv.Atoi(f[2])
		}
	}
	return family(root, parent, group)
}

func family(root int, parent, group map[int]int) []int {
	var out []int
	for pid := range parent {
		ours := pid == root || group[pid] == root
		for at, steps := pid, 0; !ours && at > 1 && steps < 64; steps++ {
			at = parent[at]
			ours = at == root
		}
		if ours {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}

// gone reports that the program has ended, and why.
func (p *Process) gone() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended (%v): %s", p.cmd.Path, p.cmd.ProcessState, p.out)
	default:
		return nil
	}
}

// stop ends the program and its family, by force if it does not obey.
func (p *Process) stop() {
	all := p.pids()
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.exited:
	case <-time.After(2 * time.Second):
	}
	for _, pid := range all {
		if slices.Contains(p.pids(), pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-p.exited
}

// tail keeps the end of what a program writes.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() > 64<<10 {
		t.b.Next(t.b.Len() / 2)
	}
	return t.b.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(t.b.String())
	if len(text) > 2000 {
		text = "..." + text[len(text)-2000:]
	}
	return text
}

// find is the path of a program, "" if it is not installed.
func find(program string) string { return testnet.Find(program) }

// self is a command that runs this binary as something else.
func self(as string, loops int, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), asVar+"="+as, loopsVar+"="+strconv.Itoa(loops))
	return c, nil
}

var errInterrupted = errors.New("interrupted")
