package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sluice/admin"
	"sluice/internal/testnet"
)

// TestCommandsThatLook runs each command that looks at connections against a
// running process.
func TestCommandsThatLook(t *testing.T) {
	p, path, socket, _, _ := administered(t)
	run := func(args ...string) string {
		t.Helper()
		code, out, stderr := runProgram(append(args, "--socket", socket)...)
		if code != exitOK || stderr != "" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
		return out
	}
	var s admin.Status
	testnet.Must(t, "status", json.Unmarshal([]byte(run("status", "--json")), &s))
	held := dial(t, s.Listeners[0].Bound[0])
	echoOnce(t, held)

	if got := run("conns"); !strings.Contains(got, held.LocalAddr().String()) || !strings.Contains(got, "16 B") {
		t.Errorf("conns: %q", got)
	}
	var page admin.Connections
	testnet.Must(t, "conns", json.Unmarshal([]byte(run("conns", "--json", "--listener", "web", "--client", "127.0.0.0/8", "--sort", "-bytes", "--limit", "5")), &page))
	if page.Matching != 1 || page.Connections[0].BytesUp != 16 {
		t.Errorf("conns --json: %+v", page)
	}
	if got := run("conns", "--listener", "api"); strings.Contains(got, "127.0.0.1") {
		t.Errorf("conns of another listener: %q", got)
	}
	id := page.Connections[0].ID
	if got := run("conns", "kill", id); got != "killed "+id+"\n" {
		t.Errorf("kill: %q", got)
	}
	if _, err := held.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}

	if got := run("log-level"); got != "info\n" {
		t.Errorf("log-level: %q", got)
	}
	if got := run("log-level", "debug"); got != "debug\n" {
		t.Errorf("log-level debug: %q", got)
	}
	if got := run("log-level", "--json"); !strings.Contains(got, `"debug"`) {
		t.Errorf("log-level --json: %q", got)
	}
	run("reload")
	if got := run("log-level"); got != "info\n" {
		t.Errorf("after a reload: %q, want the level of the file", got)
	}

	if got := run("explain", "--listener", "web", "--from", "198.51.100.7"); !strings.Contains(got, "pool web: least_connections") || !strings.Contains(got, " maybe ") {
		t.Errorf("explain: %q", got)
	}
	var e admin.Explanation
	testnet.Must(t, "explain", json.Unmarshal([]byte(run("explain", "--listener", "web", "--from", "::1", "--sni", "x", "--json")), &e))
	if e.Pool != "web" || len(e.Backends) != 1 {
		t.Errorf("explain --json: %+v", e)
	}

	for _, tt := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"conns", "--sort", "size"}, exitError, "sluice: sort=size cannot be understood; use age, idle"},
		{[]string{"conns", "kill", id}, exitError, "sluice: connection " + id + " is not there any more"},
		{[]string{"log-level", "loud"}, exitError, "sluice: level loud is not known; use debug, info"},
		{[]string{"explain", "--listener", "api", "--from", "::1"}, exitError, "sluice: there is no listener api; use one of web"},
		{[]string{"explain", "--listener", "web"}, exitUsage, `sluice: required flag(s) "from" not set`},
	} {
		code, out, stderr := runProgram(append(tt.args, "--socket", socket)...)
		if code != tt.code || out != "" || !strings.HasPrefix(stderr, tt.said) {
			t.Errorf("%v: exit %d, %q, %q, want %d, %q", tt.args, code, out, stderr, tt.code, tt.said)
		}
	}
	held = dial(t, s.Listeners[0].Bound[0])
	echoOnce(t, held)
	for _, tt := range []struct{ args, want string }{
		{"explain --listener ", "web\tto pool web"},
		{"conns --listener ", "web\tto pool web"},
		{"conns --pool ", "web\t1 backend of 1 serving"},
		{"conns --backend ", ", serving: "},
		{"conns --pool web --backend ", ", serving: "},
		{"conns --sort ", "-bytes"},
		{"conns kill ", held.LocalAddr().String() + " to web/"},
	} {
		args := strings.Split("__complete "+tt.args, " ")
		last := len(args) - 1
		if strings.HasPrefix(args[last-1], "--") {
			last-- // the value of a flag is what is asked for, and comes last
		}
		args = slices.Insert(args[:len(args)-1], last, "--config", path)
		if _, out, _ := runProgram(append(args, "")...); !strings.Contains(out, tt.want) {
			t.Errorf("completion of %q: %q, want %q", tt.args, out, tt.want)
		}
	}
	_ = held.Close()
	p.stop()
}

func TestHistoryIsTold(t *testing.T) {
	socket := testnet.SocketPath(t)
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"\"\nsocket = %q\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n[pools.web.health]\ninterval = \"20ms\"\ntimeout = \"20ms\"\nfall = 1\n",
		socket, testnet.FreeAddress(t, "tcp4")))
	p := startProgram(t, "run", "--config", path)
	p.next(p.stderr, " down: ")
	c, err := newClient(adminAt(socket), "", "")
	testnet.Must(t, "client", err)
	defer c.http.CloseIdleConnections()
	testnet.Eventually(t, patience, "the transition", func() bool {
		var h admin.Transitions
		_, err := c.ask("GET", "/v1/history?pool=web", nil, &h)
		return err == nil && len(h.Transitions) == 1 && h.Transitions[0].To == "down" && h.Transitions[0].By == "probe" && !h.Transitions[0].Time.IsZero()
	})
}

func TestConnsForPeople(t *testing.T) {
	page := &admin.Connections{Matching: 3, Offset: 1, Connections: []admin.Connection{
		{ID: "0-1-1", Listener: "web", Pool: "web", Backend: "b1", Client: "198.51.100.7:51000", Phase: "relaying", AgeSeconds: 3723, IdleSeconds: 0.0421, BytesUp: 512, BytesDown: 5 << 20},
		{ID: "1-2-9", Listener: "web", Pool: "web", Client: "unix", Phase: "connecting", AgeSeconds: 0.5, IdleSeconds: 0.5},
	}}
	var out strings.Builder
	testnet.Must(t, "print", printConns(&out, page))
	golden(t, "conns", out.String())
}
