package cmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/admin"
	"sluice/internal/testnet"
)

func TestOrdersAreObeyedAndOutliveReloadAndRestart(t *testing.T) {
	dir, socket := t.TempDir(), testnet.SocketPath(t)
	path := filepath.Join(dir, "sluice.toml")
	a, b := testnet.Start(t, "tcp4", testnet.Greet("a")).Address, testnet.Start(t, "tcp4", testnet.Greet("b")).Address
	write := func(retries int) {
		writeConfig(t, path, fmt.Sprintf("[runtime]\nstate_dir = %q\nshutdown_grace = \"0s\"\n[admin]\nbind = \"\"\nsocket = %q\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\npolicy = \"round_robin\"\nretries = %d\nbackends = [{ name = \"a\", address = %q }, { name = \"b\", address = %q }]\n[pools.web.health]\ntype = \"none\"\n",
			filepath.Join(dir, "state"), socket, retries, a, b))
	}
	write(1)
	p := startProgram(t, "run", "--config", path)
	front := boundAt(t, p.logged("started"), "web")
	greeted := func() string {
		c := dial(t, front)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		name := make([]byte, 1)
		if _, err := c.Read(name); err != nil {
			t.Fatal(err)
		}
		return string(name)
	}
	only := func(step, want string) {
		t.Helper()
		testnet.Eventually(t, patience, step, func() bool {
			first, second := greeted(), greeted() // round_robin would give both
			return first == want && second == want
		})
	}
	sluice := func(args ...string) string {
		t.Helper()
		code, out, stderr := runProgram(append(args, "--socket", socket)...)
		if code != exitOK || stderr != "" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
		return out
	}

	if got := sluice("backend", "drain", "web", "a"); !strings.HasPrefix(got, "web/a: out (ordered: drain), weight 1, ") {
		t.Errorf("got %q", got)
	}
	only("a is drained", "b")
	write(2)
	sluice("reload")
	only("a is drained after a reload", "b")
	p.stop()
	p = startProgram(t, "run", "--config", path)
	p.logged("orders of before are in force again")
	front = boundAt(t, p.logged("started"), "web")
	only("a is drained after a restart", "b")
	sluice("backend", "ready", "web", "a")
	sluice("backend", "maint", "web", "b")
	only("b is out", "a")
	var done admin.Ordered
	if err := json.Unmarshal([]byte(sluice("backend", "weight", "web", "a", "7", "--json")), &done); err != nil || done.Weight != 7 {
		t.Errorf("weight: %+v, %v", done, err)
	}
	if got := sluice("pools"); !strings.Contains(got, "pool web: round_robin, 1 of 2 backends serving") || !strings.Contains(got, "ordered: maint") {
		t.Errorf("pools: %q", got)
	}
	var web admin.Pool
	if err := json.Unmarshal([]byte(sluice("pools", "web", "--json")), &web); err != nil || web.Serving != 1 {
		t.Errorf("pools web --json: %+v, %v", web, err)
	}

	for _, tt := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"backend", "drain", "web", "c"}, exitError, "sluice: pool web has no backend c; use one of a, b\n"},
		{[]string{"backend", "drain", "api", "a"}, exitError, "sluice: there is no pool api; use one of web\n"},
		{[]string{"backend", "weight", "web", "a", "x"}, exitError, "sluice: weight \"x\" is not a number\n"},
		{[]string{"backend", "weight", "web", "a", "70000"}, exitError, "sluice: weight 70000 is not possible; use 1 to 65535, or 0 for the backend's own\n"},
		{[]string{"pools", "api"}, exitError, "sluice: there is no pool api; use one of web\n"},
	} {
		if code, out, stderr := runProgram(append(tt.args, "--socket", socket)...); code != tt.code || out != "" || stderr != tt.said {
			t.Errorf("%v: exit %d, %q, %q, want %d, %q", tt.args, code, out, stderr, tt.code, tt.said)
		}
	}
	for _, tt := range []struct{ args, want []string }{
		{[]string{"pools", ""}, []string{"web\t1 backend of 2 serving"}},
		{[]string{"backend", "drain", ""}, []string{"web\t"}},
		{[]string{"backend", "drain", "web", ""}, []string{"a\t" + a + ", serving", "b\t" + b + ", out: ordered: maint"}},
	} {
		last := len(tt.args) - 1
		args := append([]string{"__complete"}, tt.args[:last]...)
		_, out, _ := runProgram(append(args, "--socket", socket, tt.args[last])...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("completion of %q: %q, want %q", tt.args, out, want)
			}
		}
	}
	p.stop()
}

func TestPoolsForPeople(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	since := now.Add(-90 * time.Second)
	pools := []admin.Pool{
		{Name: "web", Policy: "maglev", Serving: 1, Connections: 12, Backends: []admin.Backend{
			{Name: "b1", Address: "10.0.0.1:80", Place: "serving", Why: "up", Status: "up", Since: &since, Mode: "ready", Weight: 2, Connections: 12},
			{Name: "b2", Address: "unix:/run/b.sock", Place: "out", Why: "ordered: drain", Status: "unknown", Mode: "drain", Weight: 1},
		}},
		{Name: "empty", Policy: "first"},
	}
	var out strings.Builder
	testnet.Must(t, "print", printPools(&out, pools, now))
	golden(t, "pools", out.String())
}
