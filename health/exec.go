package health

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"sluice/config"
	"sluice/internal/sys"
)

// newExec runs a program, and takes its exit code for the answer: 0 is well.
// It is told by its environment whom to ask, see docs/operations.md, and has a
// process group of its own, of which nothing outlives the probe. It has no
// descriptor of this process: all that Go opens are closed by an exec, and
// those that this process was started with are marked here.
func newExec(h config.Health) probe {
	sys.CloseAllOnExec()
	return func(ctx context.Context, a config.Address, timeout time.Duration) error {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		said := &start4K{}
		c := exec.CommandContext(limited, h.Command[0], h.Command[1:]...)
		c.Env, c.Dir = execEnvironment(a, timeout), "/"
		c.Stdout, c.Stderr = said, said
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		c.Cancel = func() error {
			sys.KillGroup(c.Process.Pid)
			return os.ErrProcessDone
		}
		c.WaitDelay = holdOut
		if err := c.Start(); err != nil {
			return unasked{err}
		}
		c.Wait() // what it says is in ProcessState
		endGroup(c.Process.Pid)
		switch {
		case ctx.Err() != nil:
			return unasked{ctx.Err()}
		case limited.Err() != nil && !c.ProcessState.Success():
			return said.because(fmt.Sprintf("%s: not done within %v", h.Command[0], timeout))
		case c.ProcessState.Success():
			return nil
		case c.ProcessState.Exited():
			return said.because(fmt.Sprintf("%s: exit %d", h.Command[0], c.ProcessState.ExitCode()))
		}
		return said.because(fmt.Sprintf("%s: %v", h.Command[0], c.ProcessState))
	}
}

// holdOut is how long the output is waited for that a program's own children
// may still write after its end.
const holdOut = 100 * time.Millisecond

// endGroup ends what a program has left behind. The number of its group is not
// given to another one as long as somebody is in it; and if nobody is, not so
// soon, since the kernel goes through all numbers before it comes to one again.
func endGroup(group int) {
	if sys.KillGroup(group) != 0 {
		return
	}
	for range 10 {
		if !sys.ReapGroup(group) {
			return
		}
		time.Sleep(time.Millisecond) // the killed have no event but for their parent
	}
}

// execEnvironment is all that a program is told.
func execEnvironment(a config.Address, timeout time.Duration) []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	env := []string{
		"PATH=" + path,
		"SLUICE_ADDRESS=" + a.String(),
		"SLUICE_TIMEOUT=" + strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64),
	}
	if a.Unix != "" {
		return append(env, "SLUICE_SOCKET="+a.Unix)
	}
	return append(env, "SLUICE_HOST="+a.TCP.Addr().String(), "SLUICE_PORT="+strconv.Itoa(int(a.TCP.Port())))
}

// start4K keeps the first 4 KiB that a program says.
type start4K struct{ bytes.Buffer }

func (s *start4K) Write(b []byte) (int, error) {
	s.Buffer.Write(b[:min(len(b), max(0, 4096-s.Len()))])
	return len(b), nil
}

// because is the verdict, with the last line that was said, and with all of it
// for the log.
func (s *start4K) because(words string) error {
	text := bytes.TrimSpace(s.Bytes())
	last := text[bytes.LastIndexByte(text, '\n')+1:]
	if len(last) > 0 {
		words += ", " + quote(last)
	}
	return outspoken{verdict(words), string(text)}
}

// outspoken is an error with more to say than goes into a reason.
type outspoken struct {
	error
	output string
}

func (o outspoken) Unwrap() error { return o.error }
