package cmd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/testnet"
)

func TestDemoTellsAnAddressThatCanBeTyped(t *testing.T) {
	for _, tt := range []struct{ bound, want string }{
		{"127.0.0.1:8080", "127.0.0.1:8080"},
		{"[::]:8080", "127.0.0.1:8080"},
		{"0.0.0.0:8080", "127.0.0.1:8080"},
		{"[2001:db8::1]:8080", "[2001:db8::1]:8080"},
		{"unix:/run/demo.sock", "unix:/run/demo.sock"},
	} {
		t.Run(tt.bound, func(t *testing.T) {
			if got := reachable(tt.bound); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWhatIsNoTerminalIsNotGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer w.Close()
	if terminalGone(w) {
		t.Error("a pipe without a reader is taken for a closed terminal")
	}
	if terminalGone(&bytes.Buffer{}) {
		t.Error("a buffer is taken for a closed terminal")
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

func TestDemoNamesTheFaultOfItsFlag(t *testing.T) {
	code, _, stderr := runProgram("demo", "--listen", "8080")
	if want := `sluice: demo: --listen 8080: no address; did you mean ":8080"?`; code != exitUsage || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit %d, stderr %q, want 2 and %q", code, stderr, want)
	}
}

func TestDemoWithoutAFolderSaysHowToGetOne(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	code, _, stderr := runProgram("demo", "--listen", "127.0.0.1:0")
	if code != exitError || !strings.Contains(stderr, "no such file or directory") || !strings.Contains(stderr, "--tmpfs /tmp") {
		t.Errorf("exit %d, stderr %q, want 1, the reason and --tmpfs", code, stderr)
	}
}

func TestDemoInAContainerTellsOnlyWhatWorksFromOutside(t *testing.T) {
	const inside = "127.0.0.1:9001"
	for _, tt := range []struct {
		name  string
		pid   int
		wants bool
	}{
		{"on a host", 4711, true},
		{"in a container", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := demoText("127.0.0.1:8080", "/tmp/demo.toml", tt.pid, []string{inside})
			for _, row := range []string{"edit /tmp/demo.toml", fmt.Sprintf("kill -HUP %d", tt.pid)} {
				if got := strings.Contains(text, row); got != tt.wants {
					t.Errorf("%q in it: %v, want %v:\n%s", row, got, tt.wants, text)
				}
			}
			if !strings.Contains(text, "curl 127.0.0.1:8080/quit") || strings.Contains(text, "curl "+inside) {
				t.Errorf("want only the balancer asked:\n%s", text)
			}
		})
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
