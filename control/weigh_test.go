package control

import (
	"testing"
	"time"

	"sluice/balancer"
	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

// owners are the backends of the first n keys.
func owners(t *testing.T, p *proxy.Pool, n int) []string {
	t.Helper()
	who := make([]string, n)
	for key := range who {
		ref, verdict := p.Balancer.Pick(&balancer.Request{Key: uint64(key) * 0x9e3779b97f4a7c15})
		if verdict != balancer.Picked {
			t.Fatalf("key %d: nobody is picked", key)
		}
		p.Backends[ref].Load.Release()
		who[key] = p.Backends[ref].Name
	}
	return who
}

// TestARingMovesOnlyWhatItMust: when a backend of a source_hash pool gets less than all
// of its weight, and when it has all again, clients go to it or leave it, and nobody
// else moves.
func TestARingMovesOnlyWhatItMust(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Pool)
		steps  []func(*state.Store)
	}{
		{"slow_start", func(p *config.Pool) { p.SlowStart = 10 * time.Second }, []func(*state.Store){
			func(s *state.Store) { verdict(s, "web", "b3", state.Down) },
			func(s *state.Store) { verdict(s, "web", "b3", state.Up) }, // a tenth
			func(s *state.Store) { verdict(s, "web", "b3", state.Down) },
		}},
		{"agent", func(p *config.Pool) { p.Health.Agent = agentAt }, []func(*state.Store){
			func(s *state.Store) {
				advise(s, "b3", saying(func(a *state.Advice) { a.Weight, a.Percent = 99, true }))
			},
			func(s *state.Store) {
				advise(s, "b3", saying(func(a *state.Advice) { a.Weight, a.Percent = 10, true }))
			},
			func(s *state.Store) {
				advise(s, "b3", saying(func(a *state.Advice) { a.Weight, a.Percent = 100, true }))
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := poolOf("web", 3)
			p.Policy = "source_hash"
			tt.change(&p)
			s := storeOf(&config.Config{Pools: []config.Pool{p}})
			for _, b := range p.Backends {
				verdict(s, "web", b.Name, state.Up)
			}
			c := compile(t, s, nil)
			was, moved := owners(t, c.pool("web"), 3000), 0
			for step, change := range tt.steps {
				change(s)
				c = compile(t, s, c)
				now := owners(t, c.pool("web"), len(was))
				for key := range now {
					if now[key] == was[key] {
						continue
					}
					if moved++; now[key] != "b3" && was[key] != "b3" {
						t.Fatalf("step %d: key %d goes from %s to %s", step, key, was[key], now[key])
					}
				}
				was = now
			}
			if moved == 0 {
				t.Error("nothing moves")
			}
		})
	}
}
