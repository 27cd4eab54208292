package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come; it is never a pace.
const patience = 30 * time.Second

// program is sluice as a process of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout <-chan string // lines; closed at the end
	stderr <-chan string
}

func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	return startCommand(t, exec.Command(os.Args[0], args...))
}

func startCommand(t *testing.T, c *exec.Cmd) *program {
	t.Helper()
	c.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+t.TempDir())
	p := &program{t: t, cmd: c}
	p.stdout = lineReader(t, c.StdoutPipe)
	p.stderr = lineReader(t, c.StderrPipe)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			for range p.stdout {
			}
			for range p.stderr {
			}
			_ = c.Wait()
		}
	})
	return p
}

// lineReader reads lines in the background, so that the program never waits
// for the test.
func lineReader(t *testing.T, pipe func() (io.ReadCloser, error)) <-chan string {
	t.Helper()
	r, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10000)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines <- s.Text()
		}
	}()
	return lines
}

// next is the next line that contains text.
func (p *program) next(lines <-chan string, text string) string {
	p.t.Helper()
	late := time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				p.t.Fatalf("the program ended without %q; it said:\n%s", text, strings.Join(seen, "\n"))
			}
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-late:
			p.t.Fatalf("no %q in %v; it said:\n%s", text, patience, strings.Join(seen, "\n"))
		}
	}
}

// logged is the next line of the log with this message.
func (p *program) logged(msg string) map[string]any {
	p.t.Helper()
	line := p.next(p.stderr, fmt.Sprintf(`"msg":"%s`, msg))
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	return fields
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the process and returns its exit code.
func (p *program) end() int {
	p.t.Helper()
	killer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	for range p.stdout {
	}
	for range p.stderr {
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// stop has the process end as an operator does, which must succeed.
func (p *program) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != exitOK {
		p.t.Errorf("exit %d, want 0", code)
	}
}

func writeConfig(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// boundAt is the address of a listener in the line "started" or "reloaded".
func boundAt(t *testing.T, line map[string]any, listener string) string {
	t.Helper()
	listeners, _ := line["listeners"].(map[string]any)
	a, ok := listeners[listener].(string)
	if !ok || a == "" {
		t.Fatalf("listener %s is not in %v", listener, line)
	}
	return a
}

func echoOnce(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	const said = "is anybody there"
	if _, err := io.WriteString(c, said); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, len(said))
	if _, err := io.ReadFull(c, heard); err != nil || string(heard) != said {
		t.Fatalf("heard %q, %v, want %q", heard, err, said)
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
