package testnet

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// leakVar makes this binary leak on purpose, so that a test can watch Main.
const leakVar = "SLUICE_TEST_LEAK"

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestMainFailsOnWhatIsLeftBehind(t *testing.T) {
	if os.Getenv(leakVar) != "" {
		t.Skip("this process is the one that leaks")
	}
	for what, want := range map[string]string{
		"nothing":   "",
		"socket":    "tcp 127.0.0.1:",
		"pipe":      "pipe:[",
		"goroutine": "goroutines outlived the tests",
		"stacks":    "testnet.TestLeakOnPurpose",
	} {
		t.Run(what, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestLeakOnPurpose$")
			cmd.Env = append(os.Environ(), leakVar+"="+what)
			if what == "stacks" {
				cmd.Env = append(cmd.Env, stacksVar+"=1")
			}
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (want != "") || !strings.Contains(string(out), want) {
				t.Errorf("got %v and %q, want %q in it", err, out, want)
			}
		})
	}
}

var kept []any

func TestLeakOnPurpose(t *testing.T) {
	switch os.Getenv(leakVar) {
	case "socket", "stacks":
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		Must(t, "listen", err)
		kept = append(kept, l)
	case "pipe":
		var p [2]int
		Must(t, "pipe", syscall.Pipe2(p[:], syscall.O_CLOEXEC))
	case "goroutine":
		go func() { select {} }()
	}
}
