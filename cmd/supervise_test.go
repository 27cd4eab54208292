package cmd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// survivor is a program with a main process and a worker process, and the line
// that it began with. Its only backend echoes.
func survivor(t *testing.T, runtime string, env ...string) (*program, map[string]any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.toml")
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	writeConfig(t, path, fmt.Sprintf("[runtime]\n%s\n[admin]\nbind = \"\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", runtime, backend))
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	p := startProgram(t, "run", "--config", path)
	return p, p.logged("started")
}

func workerOf(line map[string]any) int { return int(line["worker_pid"].(float64)) }

func TestOneProcessIsEnoughForWhoWantsNoMore(t *testing.T) {
	p, line := survivor(t, "survive_crash = false")
	if workerOf(line) != p.cmd.Process.Pid {
		t.Errorf("process %d serves, %d was started", workerOf(line), p.cmd.Process.Pid)
	}
	p.signal(syscall.SIGUSR2)
	if got := p.logged("upgrade: nothing has changed")["error"]; !strings.Contains(got.(string), "cannot hand its connections over") {
		t.Errorf("an upgrade: %v", got)
	}
	p.stop()
}

func TestTheMainProcessStaysWhenTheOtherDies(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"KILL": syscall.SIGKILL, "SEGV": syscall.SIGSEGV} {
		t.Run(name, func(t *testing.T) {
			p, line := survivor(t, "")
			c := dial(t, boundAt(t, line, "web"))
			echoOnce(t, c)
			testnet.Must(t, "kill", syscall.Kill(workerOf(line), sig))
			next := p.logged("took over")
			if workerOf(next) == workerOf(line) || next["connections"] != 1.0 || next["kind"] != "crash" {
				t.Errorf("took over: %v", next)
			}
			echoOnce(t, c)
			if got := fmt.Sprint(int(line["pid"].(float64))); got != fmt.Sprint(p.cmd.Process.Pid) {
				t.Errorf("the main process is %s, want %d", got, p.cmd.Process.Pid)
			}
			p.signal(syscall.SIGHUP)
			p.logged("reloaded")
			_ = c.Close()
			p.stop()
		})
	}
}

func TestQuitIsSurvivedAndLeavesTheGoroutines(t *testing.T) {
	p, _ := survivor(t, "")
	p.signal(syscall.SIGQUIT)
	p.next(p.stderr, "SIGQUIT: quit")
	if why := p.logged("took over")["msg"]; why != "took over: it ended with 2, as a panic or a fatal error of the runtime does" {
		t.Errorf("%v", why)
	}
	p.stop()
}

func TestAKilledKeeperIsReplaced(t *testing.T) {
	p, line := survivor(t, "")
	testnet.Must(t, "kill", syscall.Kill(keeperOf(t, p.cmd.Process.Pid), syscall.SIGKILL))
	p.logged("the keeper was killed")
	testnet.Eventually(t, patience, "another keeper", func() bool { return keeperOf(t, p.cmd.Process.Pid) != 0 })
	testnet.Must(t, "kill", syscall.Kill(workerOf(line), syscall.SIGKILL))
	p.logged("took over")
	p.stop()
}

// keeperOf is the process id of the keeper among the children of a process, 0 if
// there is none.
func keeperOf(t *testing.T, parent int) (pid int) {
	t.Helper()
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		text, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue // it has ended
		}
		var number, its int
		var name, state string
		if _, err := fmt.Sscan(string(text), &number, &name, &state, &its); err == nil && its == parent && name == "(sluice-keeper)" && state != "Z" {
			pid = number
		}
	}
	return pid
}

func TestASignalToTheWorkerProcessIsIgnored(t *testing.T) {
	p, line := survivor(t, "")
	testnet.Must(t, "kill", syscall.Kill(workerOf(line), syscall.SIGTERM))
	if got := p.logged("a signal was ignored"); got["pid"] != line["pid"] || got["signal"] != "terminated" {
		t.Errorf("%v", got)
	}
	p.stop()
}

func TestWithoutItsMainProcessTheOtherStops(t *testing.T) {
	p, line := survivor(t, `shutdown_grace = "20s"`)
	c := dial(t, boundAt(t, line, "web"))
	echoOnce(t, c)
	testnet.Must(t, "kill", p.cmd.Process.Kill())
	p.logged("stopping: no new clients")
	echoOnce(t, c) // it may end
	_ = c.Close()
	p.logged("stopped")
	p.end() // the streams close: neither it nor a keeper is left
}

func TestAFailedStartIsTheExitCode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	taken := testnet.Start(t, "tcp4", testnet.Echo).Address
	writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"\"\n[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n", taken))
	p := startProgram(t, "run", "--config", path)
	p.next(p.stderr, "address already in use")
	if code := p.end(); code != exitError {
		t.Errorf("exit %d, want %d", code, exitError)
	}
}

// systemd is a socket that hears what a service says.
type systemd struct {
	*net.UnixConn
	path string
}

func newSystemd(t *testing.T) systemd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	testnet.Must(t, "listen", err)
	t.Cleanup(func() { _ = l.Close() })
	raw, err := l.SyscallConn()
	testnet.Must(t, "socket", err)
	testnet.Must(t, "control", raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1)
	}))
	testnet.Must(t, "SO_PASSCRED", err)
	return systemd{l, path}
}

// told waits until p has said what begins with want. Nobody else may speak.
func (s systemd) told(t *testing.T, p *program, want string) {
	t.Helper()
	testnet.Must(t, "deadline", s.SetReadDeadline(time.Now().Add(patience)))
	for {
		text, rights := make([]byte, 512), make([]byte, 128)
		n, m, _, _, err := s.ReadMsgUnix(text, rights)
		if err != nil {
			t.Fatalf("not told %s: %v", want, err)
		}
		messages, err := syscall.ParseSocketControlMessage(rights[:m])
		testnet.Must(t, "control message", err)
		from, err := syscall.ParseUnixCredentials(&messages[0])
		testnet.Must(t, "credentials", err)
		if int(from.Pid) != p.cmd.Process.Pid {
			t.Errorf("process %d says %q, want %d", from.Pid, text[:n], p.cmd.Process.Pid)
		}
		if strings.HasPrefix(string(text[:n]), want) {
			return
		}
	}
}

// systemd is told by the main process alone, whatever happens to the other.
func TestSystemdIsTold(t *testing.T) {
	s := newSystemd(t)
	p, line := survivor(t, "", "NOTIFY_SOCKET="+s.path)
	s.told(t, p, "READY=1")
	p.signal(syscall.SIGHUP)
	s.told(t, p, "RELOADING=1\nMONOTONIC_USEC=")
	s.told(t, p, "READY=1")
	testnet.Must(t, "kill", syscall.Kill(workerOf(line), syscall.SIGKILL))
	s.told(t, p, "STATUS=serving; handover 1, 0 connections carried: killed by signal 9")
	p.signal(syscall.SIGTERM)
	s.told(t, p, "STOPPING=1")
	if code := p.end(); code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
}

// A worker process that is stopped in its tracks is no crash that anybody sees.
func TestAHungWorkerProcessIsSurvived(t *testing.T) {
	s := newSystemd(t)
	p, line := survivor(t, "", "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=4000000")
	c := dial(t, boundAt(t, line, "web"))
	echoOnce(t, c)
	s.told(t, p, "WATCHDOG=1")
	testnet.Must(t, "stop", syscall.Kill(workerOf(line), syscall.SIGSTOP))
	p.next(p.stderr, "has been silent for 3s")
	p.next(p.stderr, "SIGABRT: abort") // and all goroutines
	next := p.logged("took over")
	if workerOf(next) == workerOf(line) || next["connections"] != 1.0 || next["kind"] != "crash" {
		t.Errorf("took over: %v", next)
	}
	echoOnce(t, c)
	s.told(t, p, "STATUS=serving; handover 1, 1 connection carried")
	s.told(t, p, "WATCHDOG=1")
	_ = c.Close()
	p.stop()
}
