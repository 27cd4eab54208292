package cmd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/testnet"
)

// activated starts a program as systemd starts one of whose sockets it has opened:
// names are those of files, with colons between them.
func activated(t *testing.T, names string, files []*os.File, args ...string) *program {
	t.Helper()
	// Only the new process itself can say what its number is.
	c := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0]}, args...)...)
	c.ExtraFiles = files
	t.Setenv("LISTEN_FDS", fmt.Sprint(len(files)))
	t.Setenv("LISTEN_FDNAMES", names)
	return startCommand(t, c)
}

// passing opens sockets as systemd does, and returns where they listen.
func passing(t *testing.T) (files []*os.File, tcp, unix string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	path := testnet.SocketPath(t)
	u, err := net.Listen("unix", path)
	testnet.Must(t, "listen", err)
	for _, one := range []interface{ File() (*os.File, error) }{l.(*net.TCPListener), u.(*net.UnixListener)} {
		f, err := one.File()
		testnet.Must(t, "file", err)
		files = append(files, f)
		t.Cleanup(func() { _ = f.Close() })
	}
	u.(*net.UnixListener).SetUnlinkOnClose(false)
	_, _ = l.Close(), u.Close()
	return files, l.Addr().String(), path
}

func TestSocketsOfSystemdAreListenedAt(t *testing.T) {
	for _, survive := range []bool{true, false} {
		t.Run(fmt.Sprintf("survive_crash=%v", survive), func(t *testing.T) {
			files, tcp, unix := passing(t)
			path := filepath.Join(t.TempDir(), "sluice.toml")
			backend := testnet.Start(t, "tcp4", testnet.Echo).Address
			text := func(bind string) string {
				return fmt.Sprintf("[runtime]\nsurvive_crash = %v\n[admin]\nbind = \"\"\n[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", survive, bind, backend)
			}
			writeConfig(t, path, text("fd:web"))
			p := activated(t, "web:web", files, "run", "--config", path)
			line := p.logged("started")
			if got := fmt.Sprint(line["listeners"]); !strings.Contains(got, tcp) || !strings.Contains(got, unix) {
				t.Errorf("listeners %s, want %s and %s", got, tcp, unix)
			}
			c := dial(t, tcp)
			echoOnce(t, c)
			if survive {
				testnet.Must(t, "kill", syscall.Kill(workerOf(line), syscall.SIGKILL))
				if next := p.logged("took over"); next["connections"] != 1.0 {
					t.Errorf("took over: %v", next)
				}
				echoOnce(t, c)
			}
			// A listener that goes and comes back finds its sockets again.
			for _, bind := range []string{"127.0.0.1:0", "fd:web"} {
				writeConfig(t, path, text(bind))
				p.signal(syscall.SIGHUP)
				p.logged("reloaded")
			}
			again := dial(t, tcp)
			echoOnce(t, again)
			u, err := net.Dial("unix", unix)
			testnet.Must(t, "dial", err)
			echoOnce(t, u)
			for _, c := range []net.Conn{c, again, u} {
				_ = c.Close()
			}
			p.stop()
			if _, err := os.Stat(unix); err != nil {
				t.Errorf("the socket is systemd's to remove: %v", err)
			}
		})
	}
}

func TestASocketThatWasNotPassedIsAFault(t *testing.T) {
	files, tcp, _ := passing(t)
	plain, err := os.Open(os.DevNull)
	testnet.Must(t, "open", err)
	defer plain.Close()
	path := filepath.Join(t.TempDir(), "sluice.toml")
	start := func(bind string) *program {
		writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"\"\n[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n", bind))
		return activated(t, "http:file", []*os.File{files[0], plain}, "run", "--config", path)
	}
	for bind, want := range map[string]string{
		"fd:web":  "listeners.web.bind: fd:web: no socket of this name was passed, but file, http",
		"fd:file": "listeners.web.bind: fd:file: descriptor 4 is not a stream socket that listens",
	} {
		p := start(bind)
		p.next(p.stderr, want)
		if code := p.end(); code != exitError {
			t.Errorf("%s: exit %d, want %d", bind, code, exitError)
		}
	}
	// What is not in use is said once, until it is something else.
	p := start(tcp[:strings.LastIndexByte(tcp, ':')] + ":0")
	unused := func(want string) {
		t.Helper()
		if got := fmt.Sprint(p.logged("sockets that were passed are not in use")["names"]); got != want {
			t.Errorf("not in use: %s, want %s", got, want)
		}
	}
	unused("[http file]")
	bind := func(bind string) {
		writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"\"\n[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n", bind))
		p.signal(syscall.SIGHUP)
	}
	bind("fd:http")
	unused("[file]")
	bind("127.0.0.1:0")
	unused("[http file]")
	p.logged("reloaded")
	bind("localhost:0")
	for line := ""; !strings.Contains(line, `"msg":"reloaded"`); {
		if line = p.next(p.stderr, ""); strings.Contains(line, "not in use") {
			t.Errorf("said again: %s", line)
		}
	}
	p.signal(syscall.SIGTERM)
	p.end()
}

// An os.File of a socket that does not block is watched by the runtime, which then
// wakes for each client of a process that accepts none.
func TestTheMainProcessDoesNotWaitForClients(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	testnet.Must(t, "socket", err)
	var copied int
	testnet.Must(t, "control", raw.Control(func(fd uintptr) { copied, err = syscall.Dup(int(fd)) }))
	testnet.Must(t, "dup", err)
	testnet.Must(t, "block", syscall.SetNonblock(copied, false))
	file := os.NewFile(uintptr(copied), "passed") // one that blocks stays as it is made
	defer file.Close()
	testnet.Must(t, "not block", syscall.SetNonblock(copied, true))

	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, "[admin]\nbind = \"\"\n[listeners.web]\nbind = \"fd:web\"\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n")
	p := activated(t, "web", []*os.File{file}, "run", "--config", path)
	p.logged("started")
	inside := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	all, err := os.ReadDir(inside + "fd")
	testnet.Must(t, "descriptors", err)
	polls := 0
	for _, fd := range all {
		if to, _ := os.Readlink(inside + "fd/" + fd.Name()); to != "anon_inode:[eventpoll]" {
			continue
		}
		polls++
		info, err := os.ReadFile(inside + "fdinfo/" + fd.Name())
		testnet.Must(t, "fdinfo", err)
		for _, line := range strings.Split(string(info), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" && f[1] == "3" {
				t.Errorf("it waits for clients: %s", line)
			}
		}
	}
	if polls == 0 {
		t.Error("no epoll found")
	}
	p.stop()
}
