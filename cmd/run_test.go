package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func TestRunServesReloadsAndStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	text := func(head string) string {
		return fmt.Sprintf("%s\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", head, backend)
	}
	writeConfig(t, path, text(""))
	p := startProgram(t, "run", "--config", path)
	line := p.logged("started")
	address := boundAt(t, line, "web")
	if got, want := line["pid"], float64(p.cmd.Process.Pid); got != want {
		t.Errorf("pid %v, want %v", got, want)
	}
	lives := dial(t, address)
	echoOnce(t, lives)

	if code, out, stderr := runProgram("healthcheck", "--config", path); code != exitOK {
		t.Errorf("healthcheck: exit %d, %q, %q", code, out, stderr)
	}

	writeConfig(t, path, text("[log]\nlevel = \"loud\"\naccess = \"some\""))
	p.signal(syscall.SIGHUP)
	if got := p.logged("reload: ")["msg"].(string); !strings.Contains(got, "log.level") {
		t.Errorf("first fault %q, want log.level", got)
	}
	if got := p.logged("reload: ")["msg"].(string); !strings.Contains(got, "log.access") {
		t.Errorf("second fault %q, want log.access", got)
	}
	p.logged("reload refused: nothing has changed")
	second := dial(t, address)
	echoOnce(t, second)
	_ = second.Close()

	moved := filepath.Join(t.TempDir(), "moved.log")
	writeConfig(t, path, text(fmt.Sprintf("[runtime]\nworkers = 7\n[log]\noutput = %q", moved)))
	p.signal(syscall.SIGHUP)
	// The line below is in the new file; wait for the file.
	testnet.Eventually(t, patience, "reloaded in the new log", func() bool {
		text, _ := os.ReadFile(moved)
		return strings.Contains(string(text), `"msg":"reloaded"`)
	})
	if got := readFile(t, moved); !strings.Contains(got, "runtime.workers is not what this process was started with") {
		t.Errorf("%q does not warn of runtime.workers", got)
	}
	if err := os.Rename(moved, moved+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR1)
	testnet.Eventually(t, patience, "log reopened", func() bool {
		text, _ := os.ReadFile(moved)
		return strings.Contains(string(text), `"msg":"log reopened"`)
	})

	echoOnce(t, lives)
	_ = lives.Close()
	p.stop()
	stopped := regexp.MustCompile(`"msg":"stopped","reset":0,"accepted":2,"closed":\{"completed":2\},"bytes_up":48,"bytes_down":48,`)
	if got := readFile(t, moved); !stopped.MatchString(got) {
		t.Errorf("%q does not match %v", got, stopped)
	}
}

func TestReloadThatCannotBindLeavesEverything(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "sluice.toml"), filepath.Join(dir, "other.log")
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	const listener = "[listeners.%s]\nbind = %q\npool = \"web\"\n"
	pool := fmt.Sprintf("[pools.web]\nbackends = [%q]\n", backend)
	web := fmt.Sprintf(listener, "web", "127.0.0.1:0")
	writeConfig(t, path, web+pool)
	p := startProgram(t, "run", "--config", path)
	address := boundAt(t, p.logged("started"), "web")

	log := fmt.Sprintf("[log]\noutput = %q\nlevel = \"error\"\n", other)
	writeConfig(t, path, log+fmt.Sprintf(listener, "taken", testnet.Start(t, "tcp4", testnet.Echo).Address)+pool)
	p.signal(syscall.SIGHUP)
	if got := p.logged("reload: ")["msg"].(string); !strings.Contains(got, "listener taken") || !strings.Contains(got, "address already in use") {
		t.Errorf("fault %q, want the listener and the reason", got)
	}
	p.logged("reload refused")
	echoOnce(t, dial(t, address))
	for _, d := range testnet.DescriptorsOf(strconv.Itoa(p.cmd.Process.Pid)) {
		if strings.Contains(d.String(), other) {
			t.Errorf("the log that did not come to be used is still open: %v", d)
		}
	}
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want it gone: the refused reload made it", other, err)
	}

	writeConfig(t, path, web+pool)
	p.signal(syscall.SIGHUP)
	if got := p.logged("reloaded")["changes"]; got != "nothing changed" {
		t.Errorf("changes %q, want none: the refused reload left something", got)
	}
}

func TestSecondSignalResetsWhatIsLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[runtime]\nshutdown_grace = \"1h\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", testnet.Start(t, "tcp4", testnet.Echo).Address))
	p := startProgram(t, "run", "--config", path)
	c := dial(t, boundAt(t, p.logged("started"), "web"))
	echoOnce(t, c)
	p.signal(syscall.SIGINT)
	if got := p.logged("stopping")["connections"]; got != 1.0 {
		t.Errorf("connections %v, want 1", got)
	}
	echoOnce(t, c)
	p.signal(syscall.SIGHUP)
	p.logged("reload ignored")
	p.signal(syscall.SIGTERM)
	if got := p.logged("stopped")["reset"]; got != 1.0 {
		t.Errorf("reset %v, want 1", got)
	}
	if code := p.end(); code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
}

func TestRunSaysWhichAddressIsTaken(t *testing.T) {
	taken := testnet.Start(t, "tcp4", testnet.Echo).Address
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n", taken))
	p := startProgram(t, "run", "--config", path)
	got := p.next(p.stderr, "sluice: ")
	for _, want := range []string{"sluice: listener web: ", taken, ": address already in use"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if code := p.end(); code != exitError {
		t.Errorf("exit %d, want 1", code)
	}
}

// startWithLog starts a balancer whose stderr is a pipe that only the test
// reads. It returns the first line of the log.
func startWithLog(t *testing.T) (c *exec.Cmd, r *os.File, started map[string]any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", testnet.Start(t, "tcp4", testnet.Echo).Address))
	r, w, err := os.Pipe()
	testnet.Must(t, "pipe", err)
	c = exec.Command(os.Args[0], "run", "--config", path)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = w
	testnet.Must(t, "start", c.Start())
	killer := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	t.Cleanup(func() {
		killer.Stop()
		_ = c.Process.Kill()
		_ = c.Wait()
		_ = r.Close()
	})
	_ = w.Close()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("no line")
	}
	testnet.Must(t, "first line", json.Unmarshal(lines.Bytes(), &started))
	return c, r, started
}

func stopProgram(t *testing.T, c *exec.Cmd) {
	t.Helper()
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("%v, want exit 0", c.ProcessState)
	}
}

func TestLogReaderThatLeavesDoesNotEndTheProgram(t *testing.T) {
	c, r, started := startWithLog(t)
	_ = r.Close()
	for range 3 {
		conn := dial(t, boundAt(t, started, "web"))
		echoOnce(t, conn)
		_ = conn.Close()
	}
	stopProgram(t, c)
}

func TestLogReaderThatSleepsStopsNothing(t *testing.T) {
	c, _, started := startWithLog(t)
	// A pipe holds 64 KiB; each connection makes a line of more than 200 bytes.
	for range 500 {
		conn := dial(t, boundAt(t, started, "web"))
		echoOnce(t, conn)
		_ = conn.Close()
	}
	stopProgram(t, c)
}
