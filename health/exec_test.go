package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
)

// shell is a check that a shell makes.
func shell(script string) config.Health {
	return config.Health{Type: "exec", Command: []string{"/bin/sh", "-c", script}}
}

var somewhere = address(7)

func TestExecProbe(t *testing.T) {
	for _, tt := range []struct{ name, script, ill string }{
		{"exit 0", "echo well; exit 0", ""},
		{"exit 1", "exit 1", "/bin/sh: exit 1"},
		{"exit 3 with words", "echo first; echo the disk is full >&2; exit 3", `/bin/sh: exit 3, said "the disk is full"`},
		{"ended by a signal", "kill -TERM $$", "/bin/sh: signal: terminated"},
		{"more than anybody wants to read", "yes | head -c 1000000; exit 1", "/bin/sh: exit 1"},
		{"a child that stays", "sleep 1000 & exit 0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			err := put(shell(tt.script), somewhere, 30*time.Second)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
	t.Run("no such program", func(t *testing.T) {
		err := put(config.Health{Type: "exec", Command: []string{"/no/such/check"}}, somewhere, time.Second)
		if _, ok := err.(unasked); !ok {
			t.Errorf("got %v (%T), want that nothing is said of the backend", err, err)
		}
	})
}

func TestExecProbeIsToldWhomToAsk(t *testing.T) {
	t.Setenv("SECRET", "not for a check")
	t.Setenv("PATH", "/bin:/usr/bin")
	file := filepath.Join(t.TempDir(), "env")
	for _, tt := range []struct {
		at   config.Address
		want string
	}{
		{somewhere, "PATH=/bin:/usr/bin SLUICE_ADDRESS=10.0.0.7:80 SLUICE_HOST=10.0.0.7 SLUICE_PORT=80 SLUICE_TIMEOUT=2.5"},
		{config.Address{Unix: "/run/s"}, "PATH=/bin:/usr/bin SLUICE_ADDRESS=unix:/run/s SLUICE_SOCKET=/run/s SLUICE_TIMEOUT=2.5"},
	} {
		isWell(t, put(config.Health{Type: "exec", Command: []string{"/bin/sh", "-c", "env | sort | tr '\\n' ' ' >" + file + "; test $(pwd) = /"}}, tt.at, 2500*time.Millisecond))
		got, err := os.ReadFile(file)
		testnet.Must(t, "read", err)
		// A shell adds PWD and the like to what its children get.
		var words []string
		for w := range strings.FieldsSeq(string(got)) {
			if strings.HasPrefix(w, "SLUICE_") || strings.HasPrefix(w, "PATH=") || strings.HasPrefix(w, "SECRET") {
				words = append(words, w)
			}
		}
		if s := strings.Join(words, " "); s != tt.want {
			t.Errorf("got %s, want %s", s, tt.want)
		}
	}
}

// gone waits until nobody has the process number any more.
func gone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	testnet.Must(t, "read", err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	testnet.Must(t, "the process number", err)
	testnet.Eventually(t, 30*time.Second, fmt.Sprintf("process %d has ended", pid), func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ") || syscall.Kill(pid, 0) == syscall.ESRCH
	})
}

func TestExecProbeIsKilledWithItsGroup(t *testing.T) {
	testnet.Leaks(t)
	file := filepath.Join(t.TempDir(), "pid")
	script := "trap '' TERM INT; sleep 1000 & echo $! >" + file + "; echo waiting for godot; wait"
	t.Run("at the timeout", func(t *testing.T) {
		began := time.Now()
		isIll(t, put(shell(script), somewhere, time.Second), `/bin/sh: not done within 1s, said "waiting for godot"`)
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
		gone(t, file)
	})
	t.Run("when the Checker ends", func(t *testing.T) {
		os.Remove(file)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			testnet.Until(20*time.Second, func() bool { text, _ := os.ReadFile(file); return len(text) > 1 })
			cancel()
		}()
		err := newExec(shell(script))(ctx, somewhere, time.Minute)
		if _, ok := err.(unasked); !ok || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v (%T), want that nothing is said of the backend", err, err)
		}
		gone(t, file)
	})
	t.Run("what it leaves behind", func(t *testing.T) {
		isWell(t, put(shell("sleep 1000 & echo $! >"+file), somewhere, 30*time.Second))
		gone(t, file)
	})
}

// What this process was started with has no mark to be closed by an exec.
func TestExecProbeInheritsNoDescriptor(t *testing.T) {
	if os.Getenv("SLUICE_TEST_INHERIT") == "" {
		r, w, err := os.Pipe()
		testnet.Must(t, "pipe", err)
		defer r.Close()
		defer w.Close()
		c := exec.Command(os.Args[0], "-test.run", "^TestExecProbeInheritsNoDescriptor$", "-test.count=1", "-test.v")
		c.Env = append(os.Environ(), "SLUICE_TEST_INHERIT=1")
		c.ExtraFiles = []*os.File{r, w}
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestExecProbeInheritsNoDescriptor") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if n := len(testnet.Descriptors()); n < 5 {
		t.Fatalf("%d descriptors, want 3, 4 and the standard ones", n)
	}
	// ls has the standard three and the folder itself.
	err := put(shell("exec /bin/ls /proc/self/fd | tr '\\n' ' ' | grep -qx '0 1 2 3 ' || { ls -l /proc/self/fd; exit 1; }"), somewhere, 30*time.Second)
	if o := (outspoken{}); errors.As(err, &o) {
		t.Errorf("%v\n%s", err, o.output)
	} else {
		isWell(t, err)
	}
}

func TestOutputOfACheckIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.be(1, outspoken{verdict("check: exit 1, said \"full\""), "looking\nfull"})
		w.run(t)
		synctest.Wait()
		last := w.logs.All()[0]
		if last.Message != `web/b1 down: check: exit 1, said "full"` || last.ContextMap()["output"] != "looking\nfull" {
			t.Errorf("logged %q %v", last.Message, last.ContextMap())
		}
	})
}
