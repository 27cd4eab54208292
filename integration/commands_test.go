package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// TestEveryCommandAsAProcess runs every command that there is as a process of its own,
// most of them against a running balancer. Which there are the program says itself, as
// it does to a shell that completes.
func TestEveryCommandAsAProcess(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML()+adminSocket(t))
	c := testnet.Dial(t, p.Front("web"))
	_, err := testnet.Exchange(c, 1, 1000)
	testnet.Must(t, "exchange", err)

	ran := map[string]bool{"run": true, "help": true}
	runs := func(want string, args ...string) string {
		t.Helper()
		said := sluice(t, 0, args...)
		if !strings.Contains(said, want) {
			t.Errorf("%v says %q, want %q", args, said, want)
		}
		ran[args[0]] = true
		if len(args) > 1 {
			ran[args[0]+" "+args[1]] = true
		}
		return said
	}
	at := []string{"--config", p.config}
	with := func(args ...string) []string { return append(args, at...) }

	runs("OK: 1 listener, 1 pool, 1 backend", "check", p.config)
	runs(".health]", "config", "--defaults")
	runs("sluice ", "version")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		runs("sluice", "completion", shell)
	}
	runs("OK", with("healthcheck")...)
	runs("1 of ", with("status")...)
	runs(`"listeners"`, with("status", "--json")...)
	runs(`"connections"`, with("top", "--json", "--count", "1")...)
	runs("pool web: least_connections, 1 of 1 backend serving", with("pools")...)
	runs(c.LocalAddr().String(), with("conns")...)
	for _, order := range []string{"drain", "maint", "ready"} {
		runs("web/"+peer.Address, with("backend", order, "web", peer.Address)...)
	}
	runs("weight 7", with("backend", "weight", "web", peer.Address, "7")...)
	runs("web", with("explain", "--listener", "web", "--from", "192.0.2.1")...)
	runs("info", with("log-level")...)
	runs("", with("reload", "--plan")...)
	runs("", with("reload")...)
	runs("1 connection carried over", with("upgrade")...)
	id := strings.Fields(strings.Split(runs(c.LocalAddr().String(), with("conns")...), "\n")[1])[0]
	runs("killed "+id, with("conns", "kill", id)...)
	demo(t)
	ran["demo"] = true

	for _, parent := range []string{"", "backend", "conns", "completion"} {
		args := append([]string{"__complete"}, strings.Fields(parent)...)
		for line := range strings.Lines(sluice(t, 0, append(args, "")...)) {
			name, _, is := strings.Cut(line, "\t")
			name = strings.TrimSpace(parent + " " + name)
			if is && !ran[name] {
				t.Errorf("sluice %s was not run", name)
			}
		}
	}
}

// sluice runs a command as a process and returns what it says.
func sluice(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asVar+"=sluice", "GORACE=atexit_sleep_ms=0")
	out, _ := c.CombinedOutput()
	if got := c.ProcessState.ExitCode(); got != code {
		t.Errorf("sluice %v: exit %d, want %d: %s", args, got, code, out)
	}
	return string(out)
}

// demo runs the demonstration until its balancer answers.
func demo(t *testing.T) {
	t.Helper()
	front := testnet.FreeAddress(t, "tcp4")
	c := exec.Command(os.Args[0], "demo", "--listen", front)
	c.Env = append(os.Environ(), asVar+"=sluice")
	RunCommand(t, c).AwaitAnswer(front)
}
