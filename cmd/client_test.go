package cmd

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/admin"
	"sluice/config"
	"sluice/internal/testnet"
)

// administered starts a balancer with an admin API on a port and on a socket.
func administered(t *testing.T) (p *program, path, socket, at string, write func(more string)) {
	t.Helper()
	path, socket = filepath.Join(t.TempDir(), "sluice.toml"), testnet.SocketPath(t)
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	write = func(more string) {
		writeConfig(t, path, fmt.Sprintf("[admin]\nbind = \"127.0.0.1:0\"\nsocket = %q\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n%s", socket, backend, more))
	}
	write("")
	p = startProgram(t, "run", "--config", path)
	doors := p.logged("started")["admin"].([]any)
	return p, path, socket, doors[0].(string), write
}

func TestCommandsAskTheRunningProcess(t *testing.T) {
	p, path, socket, at, write := administered(t)
	ways := map[string][]string{
		"config": {"--config", path},
		"socket": {"--socket", socket},
		"url":    {"--url", "http://" + at},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := runProgram(append([]string{"status"}, way...)...)
			if code != exitOK || !strings.Contains(out, "ready, up ") || !strings.Contains(out, "listener web") {
				t.Errorf("status: exit %d, %q, %q", code, out, stderr)
			}
			code, out, stderr = runProgram(append([]string{"status", "--json"}, way...)...)
			var s admin.Status
			if err := json.Unmarshal([]byte(out), &s); code != exitOK || err != nil || s.PID != p.cmd.Process.Pid || s.Config != path {
				t.Errorf("status --json: exit %d, %q, %q, %v", code, out, stderr, err)
			}
			code, out, _ = runProgram(append([]string{"reload"}, way...)...)
			if code != exitOK || out != "reloaded: nothing changed\n" {
				t.Errorf("reload: exit %d, %q", code, out)
			}
		})
	}

	write("retries = 3\n")
	if code, out, _ := runProgram("reload", "--plan", "--config", path); code != exitOK || out != "~ pools.web.retries: 2 -> 3\n" {
		t.Errorf("reload --plan: exit %d, %q", code, out)
	}
	code, out, _ := runProgram("reload", "--json", "--config", path)
	var r admin.Reloaded
	if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil || r.Changes != "pools ~web" {
		t.Errorf("reload --json: exit %d, %q, %v", code, out, err)
	}
	if code, out, _ := runProgram("reload", "--plan", "--config", path); code != exitOK || out != "the file says what is in force\n" {
		t.Errorf("reload --plan: exit %d, %q", code, out)
	}
	write("retries = 99\nweigth = 1\n")
	if code, out, _ := runProgram("reload", "--plan", "--socket", socket); code != exitError || out != "" {
		t.Errorf("reload --plan: exit %d, %q", code, out)
	}
	code, _, stderr := runProgram("reload", "--socket", socket)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if code != exitError || len(lines) != 3 || !strings.Contains(lines[0], "retries") || !strings.Contains(lines[2], "sluice: reload refused: nothing has changed") {
		t.Errorf("refused reload: exit %d, %q, want each fault and the outcome", code, stderr)
	}
	p.logged("reload refused")

	code, _, stderr = runProgram("upgrade", "--socket", socket)
	if code != exitError || !strings.Contains(stderr, "upgrade 1 failed, the old program goes on: the new program does not accept the configuration") || !strings.Contains(stderr, "retries") {
		t.Errorf("upgrade: exit %d, %q", code, stderr)
	}
	code, _, stderr = runProgram("upgrade", "--url", "http://"+at)
	if code != exitError || !strings.Contains(stderr, "use admin.socket") {
		t.Errorf("upgrade over TCP without a token: exit %d, %q", code, stderr)
	}

	p.stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket's file is left: %v", err)
	}
	for name, way := range ways {
		if name == "config" {
			continue // it names port 0 as well as the socket
		}
		code, _, stderr := runProgram(append([]string{"status"}, way...)...)
		if code != exitAlone || !strings.Contains(stderr, "sluice: no sluice answers at ") {
			t.Errorf("%s: exit %d, %q, want %d", name, code, stderr, exitAlone)
		}
	}
}

func TestDrainingProcessIsNotReady(t *testing.T) {
	p, _, socket, _, _ := administered(t)
	held := dial(t, func() string {
		var s admin.Status
		_, out, _ := runProgram("status", "--json", "--socket", socket)
		_ = json.Unmarshal([]byte(out), &s)
		return s.Listeners[0].Bound[0]
	}())
	echoOnce(t, held)
	p.signal(syscall.SIGTERM)
	p.logged("stopping")
	code, out, stderr := runProgram("status", "--socket", socket)
	if code != exitError || !strings.Contains(out, "not ready: stopping") || !strings.Contains(stderr, "not ready: stopping") {
		t.Errorf("exit %d, %q, %q, want 1 and why", code, out, stderr)
	}
	if code, _, stderr := runProgram("reload", "--socket", socket); code != exitError || !strings.Contains(stderr, "the process is stopping") {
		t.Errorf("reload: exit %d, %q", code, stderr)
	}
	_ = held.Close()
	if code := p.end(); code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
}

// respond is a client of a server that does as told.
func respond(t *testing.T, do http.HandlerFunc) *client {
	t.Helper()
	s := httptest.NewServer(do)
	t.Cleanup(s.Close)
	c, err := newClient(noAdmin, s.URL, "")
	testnet.Must(t, "client", err)
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestUpgradeWaitsThroughTheChange(t *testing.T) {
	asks := 0
	c := respond(t, func(w http.ResponseWriter, q *http.Request) {
		asks++
		switch {
		case q.Method == "POST":
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"number": 2}`)
		case asks == 2: // the process goes away in mid-answer
			panic(http.ErrAbortHandler)
		case asks == 3:
			fmt.Fprint(w, `{"handovers": [{"number": 1, "outcome": "failed"}, {"number": 2, "outcome": "running"}]}`)
		default:
			fmt.Fprint(w, `{"handovers": [{"number": 2, "outcome": "done", "version": "9", "connections": 5}]}`)
		}
	})
	h, err := upgrade(c, "")
	if err != nil || h.Number != 2 || h.Version != "9" || asks != 4 {
		t.Errorf("got %+v, %v after %d questions", h, err, asks)
	}
}

func TestAnswersOfStrangersAreNoAnswers(t *testing.T) {
	for _, text := range []string{"<html>", `{"error": 5}`} {
		for _, status := range []int{200, 404} {
			c := respond(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				fmt.Fprint(w, text)
			})
			var into struct{ Error string }
			if _, err := c.ask("GET", "/v1/status", nil, &into); err == nil || !strings.Contains(err.Error(), "is not a sluice") {
				t.Errorf("%d %s: %v, want that it is not a sluice", status, text, err)
			}
		}
	}
}

func TestClientIsFoundByTheConfiguration(t *testing.T) {
	head := "[listeners.web]\nbind = \":8080\"\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:9001\"]\n"
	token := filepath.Join(t.TempDir(), "token")
	testnet.Must(t, "token", os.WriteFile(token, []byte("secret\n"), 0o600))
	for _, tt := range []struct{ name, admin, where, token, fault string }{
		{"default", "", "127.0.0.1:9901", "", ""},
		{"every address", fmt.Sprintf("[admin]\nbind = \":9909\"\ntoken_file = %q\n", token), "127.0.0.1:9909", "secret", ""},
		{"socket first", fmt.Sprintf("[admin]\nsocket = \"/run/s.sock\"\ntoken_file = %q\n", token), "unix:/run/s.sock", "", ""},
		{"none", "[admin]\nbind = \"\"\n", "", "", "no admin API"},
		{"unknown port", "[admin]\nbind = \"127.0.0.1:0\"\n", "", "", "--url"},
		{"no token", "[admin]\ntoken_file = \"/does/not/exist\"\n", "", "", "token: "},
		{"broken", "[admin\n", "", "", "c.toml:1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.toml")
			writeConfig(t, path, tt.admin+head)
			a, err := adminOf(path, true)
			var c *client
			if err == nil {
				c, err = newClient(a, "", "")
			}
			switch {
			case tt.fault != "":
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("error %v, want %q in it", err, tt.fault)
				}
			case err != nil || c.where != tt.where || c.token != tt.token:
				t.Errorf("got %+v, %v, want %s and token %q", c, err, tt.where, tt.token)
			}
		})
	}
	t.Setenv(configVariable, "")
	os.Unsetenv(configVariable)
	if a, err := adminOf("/does/not/exist", false); err != nil || a.Bind.String() != "127.0.0.1:9901" {
		t.Errorf("without any file: %v, %v, want the default address", a, err)
	}
	if _, err := adminOf("/does/not/exist", true); err == nil {
		t.Error("a file that was named is not there: no error")
	}
}

func TestTakenDefaultIsAWarningAndNothingElse(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:9901"); err == nil {
		defer l.Close()
	} // else it is taken, by whomever
	path := filepath.Join(t.TempDir(), "sluice.toml")
	text := fmt.Sprintf("[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", testnet.Start(t, "tcp4", testnet.Echo).Address)
	writeConfig(t, path, text)
	p := startProgram(t, "run", "--config", path)
	c := dial(t, boundAt(t, p.logged("started"), "web"))
	p.logged("no admin API: its default address is taken")
	echoOnce(t, c)
	_ = c.Close()
	writeConfig(t, path, "[admin]\nbind = \"127.0.0.1:9901\"\n"+text)
	p.signal(syscall.SIGHUP)
	if got := p.logged("reload: ")["msg"]; got != "reload: admin: bind 127.0.0.1:9901: address already in use" {
		t.Errorf("fault %q, want the address", got)
	}
	p.stop()
}

func TestStatusForPeople(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &admin.Status{
		About: admin.About{Version: "1.2", Commit: "abc", Go: "go1.26 linux/amd64", PID: 7, Config: "/etc/sluice.toml"},
		Ready: true, UptimeSeconds: 3723, Workers: 2, Connections: 12, MaxConnections: 9500, Accepted: 340,
		Listeners: []admin.StatusListener{{Name: "web", Bound: []string{"0.0.0.0:80", "[::]:80"}, Pool: "api"}},
		Admin:     []string{"127.0.0.1:9901"},
		Handovers: []admin.Handover{
			{Number: 1, Kind: "crash", Outcome: admin.HandoverDone, Time: now.Add(-time.Hour), Connections: 1, PauseMS: 41, Version: "1.2", Why: "killed by signal 9"},
			{Number: 2, Kind: "upgrade", Outcome: admin.HandoverFailed, Time: now.Add(-time.Minute), Connections: 12, Why: "the new program ended before it was ready"},
		},
	}
	var out strings.Builder
	testnet.Must(t, "print", printStatus(&out, s, now))
	golden(t, "status", out.String())
}

var noAdmin = config.Admin{}

func adminAt(socket string) config.Admin { return config.Admin{Socket: socket} }

// A load balancer in front learns that the process is going before it refuses
// anybody.
func TestReadinessFailsBeforeTheDoorsClose(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprint("second signal ", again), func(t *testing.T) {
			delay := "700ms"
			if again {
				delay = "1h"
			}
			socket := testnet.SocketPath(t)
			path := filepath.Join(t.TempDir(), "sluice.toml")
			writeConfig(t, path, fmt.Sprintf("[runtime]\nshutdown_delay = %q\n[admin]\nbind = \"\"\nsocket = %q\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n",
				delay, socket, testnet.Start(t, "tcp4", testnet.Echo).Address))
			p := startProgram(t, "run", "--config", path)
			front := boundAt(t, p.logged("started"), "web")
			p.signal(syscall.SIGTERM)
			p.logged("stopping: not ready, new clients are still served")
			if code, out, _ := runProgram("status", "--socket", socket); code != exitError || !strings.Contains(out, "not ready: stopping") {
				t.Errorf("exit %d, %q, want that it is not ready", code, out)
			}
			c := dial(t, front)
			echoOnce(t, c)
			if again {
				p.signal(syscall.SIGTERM)
			} else {
				p.logged("no new clients from here on")
				_ = c.Close()
			}
			if code := p.end(); code != exitOK {
				t.Errorf("exit %d, want 0", code)
			}
			if c, err := net.DialTimeout("tcp", front, time.Second); err == nil {
				_ = c.Close()
				t.Error("it still accepts")
			}
		})
	}
}
