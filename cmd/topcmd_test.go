package cmd

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/admin"
	"sluice/internal/testnet"
)

func TestTopPrintsDocuments(t *testing.T) {
	p, _, socket, at, _ := administered(t)
	for _, way := range [][]string{{"--socket", socket}, {"--url", "http://" + at}} {
		code, out, stderr := runProgram(append([]string{"top", "--json", "--count", "2"}, way...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var d struct {
			Listeners []admin.Listener
			Backends  []admin.Backend
			Rates     []admin.Rate
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &d); code != exitOK || stderr != "" || len(lines) != 2 || err != nil {
			t.Errorf("exit %d, %q, %q, %v, want two documents", code, out, stderr, err)
		}
		if len(d.Listeners) != 1 || len(d.Backends) != 1 || d.Backends[0].Pool != "web" || len(d.Rates) != 4 {
			t.Errorf("got %+v", d)
		}
	}
	p.stop()
}

func TestTopSaysWhatItNeeds(t *testing.T) {
	nobody := []string{"--socket", testnet.SocketPath(t)}
	for _, tt := range []struct {
		args []string
		code int
		said string
	}{
		{nil, exitError, `sluice: top: stdout is not a terminal: use "sluice top --json", or "sluice status"`},
		{[]string{"--json"}, exitAlone, "sluice: no sluice answers at unix:"},
		{[]string{"--count", "3"}, exitUsage, "sluice: top: --count goes with --json"},
		{[]string{"--json", "--count", "-1"}, exitUsage, "sluice: top: --count -1: expected 0 or more"},
	} {
		code, out, stderr := runProgram(append(append([]string{"top"}, tt.args...), nobody...)...)
		if code != tt.code || out != "" || !strings.HasPrefix(stderr, tt.said) {
			t.Errorf("%v: exit %d, %q, %q, want %d, %q", tt.args, code, out, stderr, tt.code, tt.said)
		}
	}
	t.Setenv("TERM", "dumb")
	if err := showTop(nil, testnet.NewTerminal(t, 80, 24).Inside); err == nil || !strings.Contains(err.Error(), "of the type dumb has no screen: use") {
		t.Errorf("on a dumb terminal: %v", err)
	}
}
