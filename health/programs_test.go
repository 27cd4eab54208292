package health

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// program is a real server that a test has started.
type program struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// said is what it has written so far.
func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs a server until the test ends, and waits until it accepts at each
// address.
func start(t *testing.T, c *exec.Cmd, addresses ...string) *program {
	t.Helper()
	p := &program{cmd: c}
	c.Stdout, c.Stderr = p, p
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	testnet.Must(t, "start "+c.Path, c.Start())
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { c.Process.Kill() })
		c.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", c.Path, p.said())
		}
	})
	for _, at := range addresses {
		testnet.Eventually(t, 30*time.Second, c.Path+" accepts at "+at, func() bool {
			c, err := testnet.TryDial(at, time.Second)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return p
}

// stop makes a server hang. A signal alone says that its threads will.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGSTOP)
	testnet.Eventually(t, 30*time.Second, "all of its threads have stopped", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(path string) bool {
			text, err := os.ReadFile(path)
			return err != nil || !bytes.Contains(text, []byte(") T "))
		})
	})
}

// goOn lets it go on.
func (p *program) goOn() { p.cmd.Process.Signal(syscall.SIGCONT) }

// isWell and isIll hold a probe to its verdict.
func isWell(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v, want that it is well", err)
	}
}

func isIll(t *testing.T, err error, because string) {
	t.Helper()
	switch err.(type) {
	case nil, unasked, warning:
		t.Errorf("got %v (%T), want that it is not well: %s", err, err, because)
		return
	}
	if !strings.Contains(err.Error(), because) {
		t.Errorf("got %v, want %s", err, because)
	}
}
