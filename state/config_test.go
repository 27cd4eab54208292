package state

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"sluice/config"
)

func TestReloadOfTheSameTouchesNoRow(t *testing.T) {
	s := New()
	commit(s, func(c *Change) { c.SetConfig(twoPools()) })
	before := s.View()
	commit(s, func(c *Change) { c.SetConfig(twoPools()) })
	if a, b := rowsOf(before), rowsOf(s.View()); !slices.Equal(a, b) {
		t.Errorf("rows %v, want the same pointers %v", b, a)
	}
	for _, name := range Tables {
		select {
		case <-before.Changed(name):
			t.Errorf("table %s was touched", name)
		default:
		}
	}
}

func TestReloadTouchesOnlyWhatDiffers(t *testing.T) {
	s := New()
	commit(s, func(c *Change) { c.SetConfig(twoPools()) })
	before := s.View()

	cfg := twoPools()
	cfg.Pools[1].Backends[1].Weight = 7
	cfg.Pools[1].Backends = append(cfg.Pools[1].Backends, backend("b3", 9003))
	cfg.Pools[0].Health.Fall = 9
	cfg.Listeners[0].Bind = append(cfg.Listeners[0].Bind, address(8081))
	commit(s, func(c *Change) { c.SetConfig(cfg) })
	after := s.View()

	same := map[string]bool{
		"listener web":   before.Listener("web") == after.Listener("web"),
		"pool api":       before.Pool("api") == after.Pool("api"),
		"pool web":       before.Pool("web") == after.Pool("web"),
		"backend api/a1": before.Backend("api", "a1") == after.Backend("api", "a1"),
		"backend web/b1": before.Backend("web", "b1") == after.Backend("web", "b1"),
		"backend web/b2": before.Backend("web", "b2") == after.Backend("web", "b2"),
	}
	for what, want := range map[string]bool{
		"listener web": false, "pool api": false, "pool web": true,
		"backend api/a1": true, "backend web/b1": true, "backend web/b2": false,
	} {
		if same[what] != want {
			t.Errorf("%s kept: %v, want %v", what, same[what], want)
		}
	}
	if got := after.Backend("web", "b2").Weight; got != 7 {
		t.Errorf("weight %d, want 7", got)
	}
	if after.Backend("web", "b3") == nil {
		t.Error("b3 was not added")
	}
}

func TestReloadKeepsWhatIsNotItsOwn(t *testing.T) {
	s := New()
	found := &Backend{Pool: "web", Source: "dns", Backend: backend("d1", 9100)}
	verdict := &Health{Pool: "web", Backend: "b1", Status: Up}
	order := &Override{Pool: "web", Backend: "b1", Mode: Drain}
	commit(s, func(c *Change) {
		c.SetConfig(twoPools())
		c.put(Backends, found)
		c.SetHealth(verdict)
		c.SetOverride(order)
	})
	commit(s, func(c *Change) { c.SetConfig(without(twoPools(), "web")) })
	v := s.View()
	if v.Backend("web", "d1") != found {
		t.Error("the reload took a backend that discovery had found")
	}
	if v.Backend("web", "b1") != nil || v.Listener("web") != nil {
		t.Error("the reload left what is no longer in the file")
	}
	if v.Health("web", "b1") != verdict || v.Override("web", "b1") != order {
		t.Error("the reload touched a verdict or an order")
	}
}

func TestBackendOfTwoSourcesIsThereOnce(t *testing.T) {
	s := New()
	commit(s, func(c *Change) {
		c.SetConfig(twoPools())
		c.put(Backends, &Backend{Pool: "web", Source: "dns", Backend: backend("b1", 9100)})
	})
	got := names(s.View().Backends("web"), func(b *Backend) string { return b.Name + " " + b.Source })
	if want := []string{"b1 config", "b2 config"}; !slices.Equal(got, want) {
		t.Errorf("backends %v, want %v", got, want)
	}
	if b := s.View().Backend("web", "b1"); b.Source != SourceConfig {
		t.Errorf("b1 is of %s", b.Source)
	}
}

func TestPoolNameIsNoPrefixOfAnother(t *testing.T) {
	s := New()
	cfg := &config.Config{Pools: []config.Pool{
		{Name: "web", Backends: []config.Backend{backend("b1", 9001)}},
		{Name: "web2", Backends: []config.Backend{backend("b1", 9002), backend("b2", 9003)}},
	}}
	commit(s, func(c *Change) {
		c.SetConfig(cfg)
		c.SetHealth(&Health{Pool: "web2", Backend: "b2"})
		c.SetOverride(&Override{Pool: "web2", Backend: "b2"})
	})
	v := s.View()
	for range v.Healths("web") {
		t.Error("web has a verdict of web2")
	}
	for range v.Overrides("web") {
		t.Error("web has an override of web2")
	}
	if got := names(v.Backends("web"), func(b *Backend) string { return b.Name }); len(got) != 1 {
		t.Errorf("backends of web: %v", got)
	}
	if got := names(v.AllBackends(), func(b *Backend) string { return b.Pool + "/" + b.Name }); len(got) != 3 {
		t.Errorf("all backends: %v", got)
	}
}

func TestStampChangesWithItsPoolOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		write   func(*Change)
		changed bool
	}{
		{"the same config", func(c *Change) { c.SetConfig(twoPools()) }, false},
		{"a backend", func(c *Change) {
			cfg := twoPools()
			cfg.Pools[1].Backends[1].Weight = 7
			c.SetConfig(cfg)
		}, true},
		{"one backend less", func(c *Change) {
			cfg := twoPools()
			cfg.Pools[1].Backends = cfg.Pools[1].Backends[:1]
			c.SetConfig(cfg)
		}, true},
		{"a new verdict", func(c *Change) { c.SetHealth(&Health{Pool: "web", Backend: "b2"}) }, true},
		{"another verdict", func(c *Change) { c.SetHealth(&Health{Pool: "web", Backend: "b1", Status: Up}) }, true},
		{"a verdict less", func(c *Change) { c.DeleteHealth("web", "b1") }, true},
		{"an ejection", func(c *Change) { c.SetEjection(&Ejection{Pool: "web", Backend: "b2"}) }, true},
		{"an order", func(c *Change) { c.SetOverride(&Override{Pool: "web", Backend: "b2"}) }, true},
		{"a verdict on another pool", func(c *Change) { c.SetHealth(&Health{Pool: "api", Backend: "a1", Status: Up}) }, false},
		{"another pool gone", func(c *Change) { c.SetConfig(without(twoPools(), "api")) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			commit(s, func(c *Change) {
				c.SetConfig(twoPools())
				c.SetHealth(&Health{Pool: "web", Backend: "b1"})
				c.SetHealth(&Health{Pool: "api", Backend: "a1"})
				c.SetOverride(&Override{Pool: "web", Backend: "b1"})
			})
			before := s.View().Stamp("web")
			c := s.Change()
			defer c.Abort()
			tt.write(c)
			if changed := c.View().Stamp("web") != before; changed != tt.changed {
				t.Errorf("changed before the commit: %v, want %v", changed, tt.changed)
			}
			c.Commit()
			if changed := s.View().Stamp("web") != before; changed != tt.changed {
				t.Errorf("changed after the commit: %v, want %v", changed, tt.changed)
			}
		})
	}
}

func address(port uint16) config.Address {
	return config.Address{TCP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
}

func backend(name string, port uint16) config.Backend {
	return config.Backend{Name: name, Address: address(port), Weight: 1}
}

func twoPools() *config.Config {
	check := config.Health{Type: "tcp", Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}
	return &config.Config{
		Listeners: []config.Listener{{Name: "web", Bind: []config.Address{address(8080)}, Pool: "web"}},
		Pools: []config.Pool{
			{Name: "api", Health: check, Backends: []config.Backend{backend("a1", 9010)}},
			{Name: "web", Health: check, Backends: []config.Backend{backend("b1", 9001), backend("b2", 9002)}},
		},
	}
}

// without takes a pool and the listeners that use it out.
func without(cfg *config.Config, pool string) *config.Config {
	cfg.Pools = slices.DeleteFunc(cfg.Pools, func(p config.Pool) bool { return p.Name == pool })
	cfg.Listeners = slices.DeleteFunc(cfg.Listeners, func(l config.Listener) bool { return l.Pool == pool })
	return cfg
}
