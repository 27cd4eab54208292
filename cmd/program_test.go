package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// patience is how long a test waits for what must come; it is never a pace.
const patience = 20 * time.Second

// program is sluice as a process of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout <-chan string // lines; closed at the end
	stderr <-chan string
}

func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
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
	if got := readFile(t, moved); !strings.Contains(got, "runtime.workers has changed in the file") {
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
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
	stopped := regexp.MustCompile(`"msg":"stopped","reset":0,"accepted":2,"closed":\{"completed":2\},"bytes_up":48,"bytes_down":48,`)
	if got := readFile(t, moved); !stopped.MatchString(got) {
		t.Errorf("%q does not match %v", got, stopped)
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
	writeConfig(t, path, fmt.Sprintf("[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", taken, taken))
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

func TestLogReaderThatLeavesDoesNotEndTheProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", testnet.Start(t, "tcp4", testnet.Echo).Address))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "run", "--config", path)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	_ = w.Close()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("no line")
	}
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	address := boundAt(t, line, "web")
	for range 3 {
		conn := dial(t, address)
		echoOnce(t, conn)
		_ = conn.Close()
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("%v, want exit 0", c.ProcessState)
	}
}

func TestDemoServesAndLeavesNothingBehind(t *testing.T) {
	p := startProgram(t, "demo", "--listen", "127.0.0.1:0")
	line := p.next(p.stdout, "sluice balances")
	address := strings.Fields(line)[2]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	seen := make(map[string]bool)
	testnet.Eventually(t, patience, "answer from every backend", func() bool {
		r, err := client.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		seen[first] = true
		return len(seen) == demoBackends
	})
	var tmp string
	for _, e := range p.cmd.Env {
		if v, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			tmp = v
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) != 1 {
		t.Errorf("%d entries in TMPDIR, want the demo's folder", len(left))
	}
	p.signal(syscall.SIGINT)
	if code := p.end(); code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDemoNamesItsFlagWhenThePortIsTaken(t *testing.T) {
	taken := testnet.Start(t, "tcp4", testnet.Echo).Address
	p := startProgram(t, "demo", "--listen", taken)
	line := p.next(p.stderr, "sluice: ")
	if !strings.Contains(line, taken) || !strings.Contains(line, "address already in use") || !strings.Contains(line, "--listen") {
		t.Errorf("got %q, want the address, the reason and --listen", line)
	}
	if code := p.end(); code != exitError {
		t.Errorf("exit %d, want 1", code)
	}
}
