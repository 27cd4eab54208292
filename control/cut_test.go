package control

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

// TestConnectionsAreResetWhereThePoolAsksForIt goes through what can become of
// a backend with connections.
func TestConnectionsAreResetWhereThePoolAsksForIt(t *testing.T) {
	for _, how := range []string{"reset", "other"} {
		t.Run(how, func(t *testing.T) {
			var got []string
			c := New(state.New(), plane{reset: func(b *proxy.Backend, why proxy.Cause) int {
				got = append(got, fmt.Sprint(b.Name, " ", why))
				return 1
			}}, zap.NewNop())
			cfg := func(change func(*config.Config)) *config.Config {
				cfg := configOf("api", "web")
				for i := range cfg.Pools {
					cfg.Pools[i].OnDown, cfg.Pools[i].OnRemoved = how, how
				}
				if change != nil {
					change(cfg)
				}
				return cfg
			}
			reload := func(cfg *config.Config) {
				t.Helper()
				_, err := c.Reload(cfg)
				testnet.Must(t, "reload", err)
			}
			check := func(step string, want ...string) {
				t.Helper()
				if how != "reset" {
					want = nil
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: reset %v, want %v", step, got, want)
				}
				got = nil
			}
			status := func(s state.Status) {
				verdict(c.store, "web", "b2", s)
				c.publish()
			}

			reload(cfg(nil))
			for _, p := range c.now.Table.Pools {
				for _, b := range p.Backends {
					if b.Name != "b3" || p.Name == "web" {
						b.Load.Acquire(0)
					}
				}
			}
			status(state.Up)
			check("up")
			status(state.Down)
			check("down", "b2 backend_down")
			reload(cfg(func(c *config.Config) { c.Pools[1].Retries = 7 }))
			check("another setting while it is down")
			status(state.Up)
			status(state.Down)
			check("down again", "b2 backend_down")
			reload(cfg(func(c *config.Config) { c.Pools[1].Backends = c.Pools[1].Backends[1:] }))
			check("b1 is removed", "b1 backend_removed")
			reload(cfg(func(c *config.Config) {
				c.Pools[1].Backends = c.Pools[1].Backends[1:]
				c.Pools[1].Backends[1].Address = address(7000)
			}))
			check("b3 has another address", "b3 backend_removed")
			reload(cfg(func(c *config.Config) { c.Pools, c.Listeners = c.Pools[1:], c.Listeners[1:] }))
			check("pool api is gone, of which b3 had none", "b1 backend_removed", "b2 backend_removed")
		})
	}
}
