package cmd

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
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

func TestHangupStopsWhatAsksForIt(t *testing.T) {
	data, err := proxy.New(proxy.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	logged(t, plainLog, func(l *logs) {
		p := &process{
			serveOptions: serveOptions{hangup: func() bool { return true }},
			log:          l.log, config: &config.Config{}, data: data,
		}
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGHUP
		stopped := make(chan struct{})
		quiet := false
		go func() {
			defer close(stopped)
			p.work(signals, func() { quiet = true })
		}()
		select {
		case <-stopped:
		case <-time.After(patience):
			t.Fatal("still running")
		}
		if !quiet {
			t.Error("stopped without ending the probes")
		}
	})
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
