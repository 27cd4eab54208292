package admin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/internal/testnet"
	"sluice/state"
)

// twoPools are web with b1 and unix:/run/b2.sock, both up, and api with b1.
func twoPools() *config.Config {
	pool := func(name string, backends ...string) config.Pool {
		p := config.Pool{Name: name, Policy: "round_robin", Health: config.Health{Type: "none"}}
		for i, b := range backends {
			at, _ := config.ParseAddress(fmt.Sprintf("127.0.0.1:%d", 9001+i))
			if strings.HasPrefix(b, "unix:") {
				at, _ = config.ParseAddress(b)
			}
			p.Backends = append(p.Backends, config.Backend{Name: b, Address: at, Weight: 2})
		}
		return p
	}
	return &config.Config{Pools: []config.Pool{pool("web", "b1", "unix:/run/b2.sock"), pool("api", "b1")}}
}

// ordering is a server over those pools.
func ordering(t *testing.T, keep *Keep) (*state.Store, string) {
	t.Helper()
	store := state.New()
	c := store.Change()
	c.SetConfig(twoPools())
	c.Commit()
	s := New(Options{Process: &fake{}, Data: &fake{}, Config: twoPools, Store: store, Keep: keep, Log: zap.NewNop()})
	t.Cleanup(s.Close)
	open(t, s, config.Admin{Bind: anyPort})
	return store, s.Addresses()[0]
}

// compiled is a server over those pools, with a listener web, whose table is
// made of them. force changes pool web, or nothing, and compiles anew.
func compiled(t *testing.T, f *fake) (at string, force func(change func(*config.Pool))) {
	t.Helper()
	store := state.New()
	cfg := twoPools()
	cfg.Listeners = []config.Listener{{Name: "web", Pool: "web", Relay: "splice", Reject: "reset"}}
	force = func(change func(*config.Pool)) {
		t.Helper()
		if change != nil {
			change(&cfg.Pools[0])
		}
		c := store.Change()
		c.SetConfig(cfg)
		c.Commit()
		made, err := control.Compile(store.View(), nil)
		testnet.Must(t, "compile", err)
		for _, p := range made.Table.Pools {
			for i, b := range p.Backends {
				b.Load.ID = uint32(i + 1)
			}
		}
		f.table = made.Table
	}
	for i := range cfg.Pools {
		cfg.Pools[i].HashOn = "source"
	}
	force(nil)
	s := New(Options{Process: f, Data: f, Config: func() *config.Config { return cfg }, Store: store, Log: zap.NewNop()})
	t.Cleanup(s.Close)
	open(t, s, config.Admin{Bind: anyPort})
	f.server = s
	return s.Addresses()[0], force
}

func backendAt(pool, name string) string {
	return "/v1/pools/" + pool + "/backends/" + url.PathEscape(name)
}

func TestOrderIsInForceAndIsTakenBack(t *testing.T) {
	store, at := ordering(t, nil)
	const b2 = "unix:/run/b2.sock"
	for _, tt := range []struct {
		order, place, mode string
		weight             int
		left               bool // an override is in the table
	}{
		{`{"mode": "drain"}`, "out", "drain", 2, true},
		{`{"weight": 9}`, "out", "drain", 9, true},
		{`{"mode": "maint"}`, "out", "maint", 9, true},
		{`{"mode": "ready"}`, "serving", "ready", 9, true},
		{`{"weight": 0}`, "serving", "ready", 2, false},
		{`{"weight": 4, "mode": "drain"}`, "out", "drain", 4, true},
		{`{"weight": 0, "mode": "ready"}`, "serving", "ready", 2, false},
	} {
		got := ask(t, at, "PATCH", backendAt("web", b2), tt.order)
		var b Ordered
		if err := json.Unmarshal([]byte(got.body), &b); err != nil || got.status != 200 {
			t.Fatalf("%s: %d %s, %v", tt.order, got.status, got.body, err)
		}
		if b.Place != tt.place || b.Mode != tt.mode || b.Weight != tt.weight || b.OwnWeight != 2 || b.Name != b2 {
			t.Errorf("%s: got %+v, want %+v", tt.order, b, tt)
		}
		var seen Backend
		_ = json.Unmarshal([]byte(ask(t, at, "GET", backendAt("web", b2), "").body), &seen)
		if seen != b.Backend {
			t.Errorf("%s: shown as %+v, answered as %+v", tt.order, seen, b.Backend)
		}
		if o := store.View().Override("web", b2); (o != nil) != tt.left {
			t.Errorf("%s: override %+v, want it there: %v", tt.order, o, tt.left)
		}
	}
	if o := store.View().Override("api", "b1"); o != nil {
		t.Errorf("an order for another pool: %+v", o)
	}
}

func TestOrdersThatCannotBeAreRefused(t *testing.T) {
	store, at := ordering(t, nil)
	for _, tt := range []struct {
		path, body    string
		status        int
		what, instead string
	}{
		{backendAt("web", "b9"), `{"mode": "drain"}`, 404, "no backend b9", "b1, unix:/run/b2.sock"},
		{backendAt("wep", "b1"), `{"mode": "drain"}`, 404, "no pool wep", "api, web"},
		{backendAt("web", "b1"), `{}`, 400, "nothing is ordered", "drain"},
		{backendAt("web", "b1"), ``, 400, "nothing is ordered", "drain"},
		{backendAt("web", "b1"), `{"mode": "off"}`, 400, `"off"`, "drain or maint"},
		{backendAt("web", "b1"), `{"weight": -1}`, 400, "weight -1", "1 to 65535"},
		{backendAt("web", "b1"), `{"weight": 65536}`, 400, "weight 65536", "1 to 65535"},
		{backendAt("web", "b1"), `{"wait": 1}`, 400, "wait", "openapi"},
	} {
		ask(t, at, "PATCH", tt.path, tt.body).refused(t, tt.status, tt.what, tt.instead)
	}
	for o := range store.View().AllOverrides() {
		t.Errorf("refused, and yet in force: %+v", o)
	}
}

func TestPoolsShowWhereEachBackendStands(t *testing.T) {
	_, at := ordering(t, nil)
	ask(t, at, "PATCH", backendAt("web", "b1"), `{"mode": "drain"}`)
	var all Pools
	if err := json.Unmarshal([]byte(ask(t, at, "GET", "/v1/pools", "").body), &all); err != nil || len(all.Pools) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	var web Pool
	if err := json.Unmarshal([]byte(ask(t, at, "GET", "/v1/pools/web", "").body), &web); err != nil {
		t.Fatal(err)
	}
	if web.Serving != 1 || web.Policy != "round_robin" || len(web.Backends) != 2 || web.Backends[0].Why != "ordered: drain" {
		t.Errorf("got %+v", web)
	}
	// Of the table, b1 has one connection and the other two.
	if web.Connections != 3 || web.Backends[1].Connections != 2 || all.Pools[1].Connections != 3 {
		t.Errorf("connections %+v of %+v", web, all)
	}
	ask(t, at, "GET", "/v1/pools/wep", "").refused(t, 404, "wep", "web")
	ask(t, at, "GET", backendAt("web", "b9"), "").refused(t, 404, "b9", "b1")
}

func TestOrdersOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	keep, err := NewKeep(dir)
	testnet.Must(t, "keep", err)
	_, at := ordering(t, keep)
	ask(t, at, "PATCH", backendAt("web", "unix:/run/b2.sock"), `{"mode": "drain", "weight": 3}`)
	ask(t, at, "PATCH", backendAt("api", "b1"), `{"mode": "maint"}`)
	ask(t, at, "PATCH", backendAt("api", "b1"), `{"mode": "ready"}`)

	keep, err = NewKeep(dir)
	testnet.Must(t, "keep", err)
	store := state.New()
	n, err := keep.Restore(store)
	if err != nil || n != 1 {
		t.Fatalf("restored %d, %v, want 1", n, err)
	}
	want := state.Override{Pool: "web", Backend: "unix:/run/b2.sock", Mode: state.Drain, Weight: 3}
	if got := store.View().Override("web", "unix:/run/b2.sock"); got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%v are left, want one file", files)
	}
}

func TestKeepThatCannotBeReadOrWritten(t *testing.T) {
	dir := t.TempDir()
	keep, err := NewKeep(dir)
	testnet.Must(t, "keep", err)
	if n, err := keep.Restore(state.New()); n != 0 || err != nil {
		t.Errorf("nothing was kept: %d, %v", n, err)
	}
	for _, text := range []string{"{", `{"version": 2}`} {
		testnet.Must(t, "write", os.WriteFile(keep.path, []byte(text), 0o600))
		if _, err := keep.Restore(state.New()); err == nil || !strings.Contains(err.Error(), ".broken") {
			t.Errorf("%s: %v, want where it was moved to", text, err)
		}
	}
	testnet.Must(t, "remove", os.RemoveAll(dir))
	_, at := ordering(t, keep)
	got := ask(t, at, "PATCH", backendAt("web", "b1"), `{"mode": "drain"}`)
	if got.status != 200 || !strings.Contains(got.body, "would be forgotten at a restart") || !strings.Contains(got.body, `"out"`) {
		t.Errorf("%d %s, want the order in force and a warning", got.status, got.body)
	}
	if _, err := NewKeep("/proc/none/here"); err == nil {
		t.Error("a folder that cannot be: no error")
	}
}
