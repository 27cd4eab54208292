package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/testnet"
)

// topScreen is "sluice top" on a terminal of its own.
type topScreen struct {
	*testnet.Terminal
	t      *testing.T
	cmd    *exec.Cmd
	before syscall.Termios
}

func startTop(t *testing.T, socket string, term *testnet.Terminal) *topScreen {
	t.Helper()
	s := &topScreen{term, t, exec.Command(os.Args[0], "top", "--socket", socket), term.Modes()}
	s.cmd.Env = append(os.Environ(), asVar+"=sluice", "TERM=xterm", "GORACE=atexit_sleep_ms=0")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	term.Run(s.cmd)
	testnet.Must(t, "start top", s.cmd.Start())
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	})
	return s
}

func (s *topScreen) sees(what string, is func(screen string) bool) {
	s.t.Helper()
	s.Sees(patience, what, is)
}

func (s *topScreen) shows(texts ...string) {
	s.t.Helper()
	s.sees(fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// above waits until the line of one is above that of the other.
func (s *topScreen) above(one, other string) {
	s.t.Helper()
	s.sees(one+" above "+other, func(screen string) bool {
		i, j := strings.Index(screen, one), strings.Index(screen, other)
		return i >= 0 && i < j
	})
}

func (s *topScreen) becomes(what string, is func() bool) {
	s.t.Helper()
	s.sees(what, func(string) bool { return is() })
}

// isStopped reports whether the process is stopped by a signal; proc_pid_stat(5).
func (s *topScreen) isStopped() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(state, "T")
}

// ends waits until top has ended: it has succeeded, and the terminal is as it
// was.
func (s *topScreen) ends() {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	if !testnet.Until(patience, func() bool { return len(done) > 0 }) {
		s.t.Fatalf("top does not end; the screen:\n%s", s.Screen())
	}
	if err := <-done; err != nil {
		s.t.Errorf("top ended with %v; the screen:\n%s", err, s.Screen())
	}
	if s.Modes() != s.before {
		s.t.Errorf("the terminal's modes are %+v, they were %+v", s.Modes(), s.before)
	}
	s.becomes("the cursor, the wrapping and the screen of before", func() bool { return s.Mode("25") && s.Mode("7") && !s.Mode("1049") })
}

func TestTop(t *testing.T) {
	testnet.Leaks(t)
	socket := testnet.SocketPath(t)
	setup := Setup{
		Backends: []string{
			fmt.Sprintf(`{ name = "b1", address = %q }`, testnet.Start(t, "tcp4", testnet.Echo).Address),
			fmt.Sprintf(`{ name = "b2", address = %q }`, testnet.Start(t, "tcp4", testnet.Echo).Address),
		},
		Pool: `policy = "round_robin"`,
	}
	p := Sluice(t, setup.TOML()+fmt.Sprintf("[admin]\nbind = \"\"\nsocket = %q\n", socket))
	term := testnet.NewTerminal(t, 80, 24)
	s := startTop(t, socket, term)
	s.shows("web → web", "pool web  round_robin", "2 of 2 serving", "  b1  ", "  b2  ", "ready", "sorted by file")

	// A backend is drained, not before that is confirmed.
	s.above("  b1 ", "  b2 ")
	s.Type("d")
	s.shows("drain web/b1? ", "y: yes")
	s.Type("n")
	s.shows("d drain")
	s.Type("\x1b[Bd")
	s.shows("drain web/b2? ", "y: yes")
	s.Type("y")
	s.shows("web/b2: drain", "1 of 2 serving")

	// The order is another: by open connections, of which only b1 gets one; by
	// state, where what serves is last.
	c := testnet.Dial(t, p.Front("web"))
	wantAlive(t, "the connection", c)
	s.Type("s")
	s.shows("sorted by open")
	s.above("  b1 ", "  b2 ")
	s.Type("sss")
	s.shows("sorted by state")
	s.above("  b2 ", "  b1 ")
	s.Type("r") // of b2, which is still the chosen one
	s.shows("ready web/b2? ", "y: yes")
	s.Type("y")
	s.shows("web/b2: ready", "2 of 2 serving")

	// A connection is killed.
	client := c.LocalAddr().String()
	s.Type("2")
	s.shows(client, "web/b1")
	s.Type("x")
	s.shows("kill the connection of "+client, "y: yes")
	s.Type("y")
	if _, err := c.Read(make([]byte, 1)); !testnet.IsReset(err) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	s.sees("no connection", func(screen string) bool {
		return strings.Contains(screen, "0 of 0") && !strings.Contains(strings.ReplaceAll(screen, "the connection of "+client, ""), client)
	})

	// Another size, too small a one, and Ctrl-C.
	s.Type("\t")
	s.shows("3 Transitions   sorted by time")
	s.Resize(20, 5)
	s.shows("20x5 is too small")
	s.Resize(120, 30)
	s.shows("REASON", "↑↓ choose")

	// Ctrl-Z, and on again.
	s.Type("\x1a")
	s.becomes("stopped", func() bool { return s.isStopped() && s.Modes() == s.before && !s.Mode("1049") })
	testnet.Must(t, "continue", s.cmd.Process.Signal(syscall.SIGCONT))
	s.becomes("shown again", func() bool { return s.Mode("1049") && s.Modes() != s.before })
	s.Type("1")
	s.shows("web → web")
	s.Type("\x03")
	s.ends()

	// The process dies, and another takes its place; a signal.
	s = startTop(t, socket, term)
	s.shows("web → web", "ready")
	testnet.Must(t, "kill the worker process", syscall.Kill(p.PID(), syscall.SIGKILL))
	s.shows("handovers: 1", "ready", "2 of 2 serving")
	testnet.Must(t, "signal", s.cmd.Process.Signal(syscall.SIGTERM))
	s.ends()

	// The process goes for good, which top tells, and ends when it is told to.
	s = startTop(t, socket, term)
	s.shows("web → web", "ready")
	p.Stop()
	s.shows("lost: no sluice answers at unix:" + socket[:10])
	s.Type("q")
	s.ends()
}
