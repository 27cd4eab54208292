package cmd

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"sluice/config"
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
		quiet := false
		p.work(signals, func() { quiet = true }) // returns, or the test does not end
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
