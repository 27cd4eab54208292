package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

func TestFlipRebuildsItsPoolAndItsListenersOnly(t *testing.T) {
	s := storeOf(configOf("api", "web"))
	before := compile(t, s, nil)
	verdict(s, "web", "b2", state.Down)
	after := compile(t, s, before)

	if after.pool("api") != before.pool("api") || after.listener("api") != before.listener("api") {
		t.Error("a flip in web rebuilt api")
	}
	if after.pool("web") == before.pool("web") || after.listener("web") == before.listener("web") {
		t.Error("a flip in web left it as it was")
	}
	if after.listener("web").Pool != after.pool("web") {
		t.Error("the listener of web points to another pool than the table")
	}
	for i, b := range after.pool("web").Backends {
		if b != before.pool("web").Backends[i] {
			t.Errorf("backend %s was made anew", b.Name)
		}
	}
	if before.listener("web").Pool != before.pool("web") {
		t.Error("the old table was written to")
	}
}

func TestNothingChangedIsTheSameTable(t *testing.T) {
	cfg := configOf("api", "web")
	s := storeOf(cfg)
	before := compile(t, s, nil)
	commit(s, func(c *state.Change) {
		c.SetConfig(configOf("api", "web"))
		c.SetOverride(&state.Override{Pool: "web", Backend: "not there", Mode: state.Drain})
		c.SetHealth(&state.Health{Pool: "gone", Backend: "b1", Status: state.Up})
	})
	if compile(t, s, before) != before {
		t.Error("rows that are about nothing made a new table")
	}
}

// An untouched pool costs the same however large it is, or one flip among
// 10,000 backends would walk them all.
func TestUntouchedPoolIsNotWalked(t *testing.T) {
	allocs := func(backends int) float64 {
		s := storeOf(&config.Config{Pools: []config.Pool{poolOf("web", backends)}})
		for i := range backends {
			verdict(s, "web", fmt.Sprintf("b%d", i+1), state.Up)
		}
		v, now := s.View(), compile(t, s, nil)
		return testing.AllocsPerRun(10, func() { Compile(v, now) })
	}
	if small, large := allocs(2), allocs(200); large > small {
		t.Errorf("%v allocations with 200 backends, %v with 2", large, small)
	}
}

func TestRemovalAloneIsANewTable(t *testing.T) {
	s := storeOf(configOf("api", "web"))
	before := compile(t, s, nil)
	cfg := configOf("api", "web")
	cfg.Listeners = cfg.Listeners[:1]
	commit(s, func(c *state.Change) { c.SetConfig(cfg) })
	after := compile(t, s, before)
	if len(after.Table.Listeners) != 1 || after.pool("web") != before.pool("web") {
		t.Errorf("%d listeners, want 1 and the pools as they were", len(after.Table.Listeners))
	}
	commit(s, func(c *state.Change) { c.SetConfig(configOf("api")) })
	if last := compile(t, s, after); last == after || len(last.Table.Pools) != 1 {
		t.Error("a pool that is gone is still in the table")
	}
}

func TestLoadFollowsPoolNameAndAddress(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		kept   bool
	}{
		{"weight, policy and place", func(c *config.Config) {
			c.Pools[0].Policy = "maglev"
			c.Pools[0].Backends[1].Weight = 5
			slices.Reverse(c.Pools[0].Backends)
		}, true},
		{"others added and removed", func(c *config.Config) {
			c.Pools[0].Backends = []config.Backend{
				{Name: "a", Address: address(1), Weight: 1}, c.Pools[0].Backends[1], {Name: "z", Address: address(2), Weight: 1}}
		}, true},
		{"address", func(c *config.Config) { c.Pools[0].Backends[1].Address = address(7000) }, false},
		{"name", func(c *config.Config) { c.Pools[0].Backends[1].Name = "other" }, false},
		{"pool", func(c *config.Config) { c.Pools[0].Name, c.Listeners[0].Pool = "other", "other" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOf(configOf("web"))
			before := compile(t, s, nil)
			load := before.backend("web", "b2").Load
			load.Acquire(0)
			cfg := configOf("web")
			tt.change(cfg)
			commit(s, func(c *state.Change) { c.SetConfig(cfg) })
			after := compile(t, s, before)
			kept := slices.ContainsFunc(after.Table.Pools[0].Backends, func(b *proxy.Backend) bool { return b.Load == load })
			if kept != tt.kept {
				t.Errorf("load kept: %v, want %v", kept, tt.kept)
			}
		})
	}
}

func TestBackendsStandInTheOrderOfTheFile(t *testing.T) {
	cfg := configOf("web")
	slices.Reverse(cfg.Pools[0].Backends)
	cfg.Pools[0].Policy = "first"
	s := storeOf(cfg)
	p := compile(t, s, nil).pool("web")
	var got []string
	for _, b := range p.Backends {
		got = append(got, b.Name)
	}
	if want := []string{"b3", "b2", "b1"}; !slices.Equal(got, want) {
		t.Errorf("backends %v, want %v", got, want)
	}
	if got := picked(t, p, 3); got["b3"] != 3 {
		t.Errorf("first picked %v, want b3", got)
	}
}

func TestEveryFieldReachesTheTable(t *testing.T) {
	l := config.Listener{
		Name: "web", Bind: []config.Address{address(80), {Unix: "/run/web.sock"}}, Pool: "web",
		Relay: "copy", Reject: "close", MaxConnections: 1, IdleTimeout: 2, HalfCloseTimeout: 3, Backlog: 4,
		NoDelay: true, Keepalive: config.Keepalive{Idle: 5, Interval: 6, Count: 7}, UserTimeout: 8,
	}
	p := config.Pool{
		Name: "web", Policy: "first", HashOn: "listener", Retries: 9, ConnectTimeout: 10,
		Keepalive: config.Keepalive{Idle: 11, Interval: 12, Count: 13}, UserTimeout: 14,
		Backends: []config.Backend{{Name: "b1", Address: address(90), Weight: 15, MaxConnections: 1}},
		Health:   config.Health{Type: "none"},
	}
	c := compile(t, storeOf(&config.Config{Listeners: []config.Listener{l}, Pools: []config.Pool{p}}), nil)

	gotP := c.pool("web")
	load := gotP.Backends[0].Load
	wantP := &proxy.Pool{
		Name: "web", ConnectTimeout: 10, Retries: 9, HashOn: proxy.HashListener,
		Socket:   proxy.SocketOptions{NoDelay: true, Keepalive: proxy.Keepalive{Idle: 11, Interval: 12, Count: 13}, UserTimeout: 14},
		Backends: []*proxy.Backend{{Name: "b1", Address: proxy.Address(address(90)), Load: load}},
		Balancer: gotP.Balancer,
	}
	if !reflect.DeepEqual(gotP, wantP) {
		t.Errorf("pool %+v, want %+v", gotP, wantP)
	}
	wantL := &proxy.Listener{
		Name: "web", Bind: []proxy.Address{proxy.Address(address(80)), {Unix: "/run/web.sock"}}, Pool: gotP,
		Relay: proxy.Copy, Reject: proxy.RejectClose, MaxConnections: 1, IdleTimeout: 2, HalfCloseTimeout: 3, Backlog: 4,
		Socket: proxy.SocketOptions{NoDelay: true, Keepalive: proxy.Keepalive{Idle: 5, Interval: 6, Count: 7}, UserTimeout: 8},
	}
	if got := c.listener("web"); !reflect.DeepEqual(got, wantL) {
		t.Errorf("listener %+v, want %+v", got, wantL)
	}

	load.ID = 1
	picked(t, gotP, 1)
	load.Acquire(0)
	if got := picked(t, gotP, 1); len(got) != 0 {
		t.Error("max_connections = 1 did not reach the balancer")
	}
}

func TestFaultsNameTheirListenerOrPool(t *testing.T) {
	cfg := configOf("api", "web", "last")
	cfg.Pools[0].Policy = "guess"
	cfg.Pools[1].HashOn = "weather"
	cfg.Listeners[2].Pool = "lost"
	cfg.Listeners = append(cfg.Listeners, listenerOf("more", "last"), listenerOf("odd", "last"))
	cfg.Listeners[3].Relay = "carry"
	cfg.Listeners[4].Reject = "shout"
	_, err := Compile(storeOf(cfg).View(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`pool api: `, `pool web: hash_on "weather" is not known`, `listener last: pool "lost" does not exist`,
		`listener more: relay "carry" is not known`, `listener odd: reject "shout" is not known`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d faults, want 5:\n%v", n, err)
	}
}

func TestCompileTakesVerdictsOfItsMoment(t *testing.T) {
	s := storeOf(configOf("web"))
	v := s.View()
	verdict(s, "web", "b1", state.Up)
	c, err := Compile(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := picked(t, c.pool("web"), 3); len(got) != 3 {
		t.Errorf("picked %v, want all three since none was probed in this view", got)
	}
}
