package cmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

func TestAProgramFitsIfThereIsAWayBack(t *testing.T) {
	without := func(name string, from []string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return s == name })
	}
	for _, tt := range []struct {
		name   string
		change func(*probed)
		want   string
	}{
		{"this one", func(*probed) {}, ""},
		{"it does not say what it keeps", func(b *probed) { b.Keeps = nil }, ""},
		{"it does not keep what this one can do without", func(b *probed) { b.Keeps = without("conn.retries", b.Keeps) }, ""},
		{"it keeps more", func(b *probed) { b.Keeps = append(b.Keeps, "conn.colour") }, ""},
		{"it needs more", func(b *probed) { b.Needs = append(b.Needs, "conn.colour") }, "its connections need conn.colour, which this one does not keep"},
		{"it does not keep what this one needs", func(b *probed) { b.Keeps = without("conn.down.moved", b.Keeps) }, "there would be no way back, it does not keep conn.down.moved, which this one needs"},
		{"another book", func(b *probed) { b.Book++ }, "its connections are of version"},
		{"another handover", func(b *probed) { b.Page++ }, "its handover is of version"},
	} {
		code, out, stderr := runProgram("successor")
		var b probed
		if err := json.Unmarshal([]byte(out), &b); err != nil || code != exitOK {
			t.Fatalf("exit %d, %v, %s", code, err, stderr)
		}
		tt.change(&b)
		err := b.fits("/new")
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), "/new cannot take over from this version: "+tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A program that is asked must not speak to systemd, nor take itself for a worker
// process.
func TestAProgramThatIsAskedHearsOnlyOfTheSockets(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_PID", watchdogVar, roleVar} {
		t.Setenv(name, "x")
	}
	t.Setenv("OF_THE_OPERATOR", "y")
	sh, err := sys.OpenProgram("/bin/sh")
	testnet.Must(t, "open", err)
	defer sys.Close(sh)
	p := &process{}
	p.passed = passed{{name: "web"}, {name: "api"}}
	text, err := p.ask(sh, "-c", "env")
	testnet.Must(t, "ask", err)
	env := strings.Split(string(text), "\n")
	for _, line := range env {
		if strings.HasSuffix(line, "=x") {
			t.Errorf("it is told %s", line)
		}
	}
	for _, want := range []string{"OF_THE_OPERATOR=y", "SLUICE_SOCKETS=web:api"} {
		if !slices.Contains(env, want) {
			t.Errorf("it is not told %s", want)
		}
	}
}

func TestCheckKnowsTheSocketsThatItIsToldOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"\"\n[listeners.web]\nbind = %q\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:1\"]\n", "fd:web"))
	if code, _, stderr := runProgram("check", path); code != exitOK {
		t.Errorf("told nothing: exit %d, %s", code, stderr)
	}
	for names, want := range map[string]string{
		"web":     "",
		"api:web": "",
		"":        "listeners.web.bind: fd:web: no socket was passed",
		"www:api": "listeners.web.bind: fd:web: no socket of this name was passed, but api, www",
	} {
		t.Setenv(passedVar, names)
		code, _, stderr := runProgram("check", path)
		if (code == exitOK) != (want == "") || !strings.Contains(stderr, want) {
			t.Errorf("told %q: exit %d, %s, want %q", names, code, stderr, want)
		}
	}
}
