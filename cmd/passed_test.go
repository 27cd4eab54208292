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
	p := start(tcp[:strings.LastIndexByte(tcp, ':')] + ":0")
	if got := fmt.Sprint(p.logged("sockets that were passed are not in use")["names"]); got != "[http file]" {
		t.Errorf("not in use: %s", got)
	}
	p.signal(syscall.SIGTERM)
	p.end()
}
