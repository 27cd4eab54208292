package control

import (
	"maps"
	"testing"
	"time"

	"sluice/config"
	"sluice/state"
)

func TestEligibility(t *testing.T) {
	const up, down, unknown = state.Up, state.Down, state.Unknown
	type fact struct {
		status   state.Status
		backup   bool
		override state.Override
	}
	for _, tt := range []struct {
		name    string
		untried bool // health type none
		facts   []fact
		want    map[string]int // of six picks
	}{
		{"the up ones", false, []fact{{status: up}, {status: down}, {status: up}}, map[string]int{"b1": 3, "b3": 3}},
		{"unknown waits while one is up", false, []fact{{status: unknown}, {status: up}}, map[string]int{"b2": 6}},
		{"backup waits while a primary is up", false, []fact{{status: up}, {status: up, backup: true}}, map[string]int{"b1": 6}},
		{"backup when no primary is up", false, []fact{{status: down}, {status: up, backup: true}}, map[string]int{"b2": 6}},
		{"backup that is up before a primary that is unknown", false,
			[]fact{{status: unknown}, {status: up, backup: true}}, map[string]int{"b2": 6}},
		{"unknown when none is up", false, []fact{{status: unknown}, {status: down}, {status: unknown}}, map[string]int{"b1": 3, "b3": 3}},
		{"unknown primary before unknown backup", false,
			[]fact{{status: unknown}, {status: unknown, backup: true}}, map[string]int{"b1": 6}},
		{"unknown backup when there is nothing else", false,
			[]fact{{status: down}, {status: unknown, backup: true}}, map[string]int{"b2": 6}},
		{"down never", false, []fact{{status: down}, {status: down, backup: true}}, map[string]int{}},
		{"drained gets none", false,
			[]fact{{status: up, override: state.Override{Mode: state.Drain}}, {status: up}}, map[string]int{"b2": 6}},
		{"in maintenance gets none, though nothing else is left", false,
			[]fact{{status: up, override: state.Override{Mode: state.Maint}}, {status: down}}, map[string]int{}},
		{"weight by order", false,
			[]fact{{status: up, override: state.Override{Weight: 2}}, {status: up}}, map[string]int{"b1": 4, "b2": 2}},
		{"unprobed pool is up", true, []fact{{status: down}, {status: unknown}}, map[string]int{"b1": 3, "b2": 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := poolOf("web", len(tt.facts))
			if tt.untried {
				p.Health = config.Health{Type: "none"}
			}
			for i, f := range tt.facts {
				p.Backends[i].Backup = f.backup
			}
			s := storeOf(&config.Config{Pools: []config.Pool{p}})
			for i, f := range tt.facts {
				if f.status != unknown {
					verdict(s, "web", p.Backends[i].Name, f.status)
				}
				if o := f.override; o != (state.Override{}) {
					o.Pool, o.Backend = "web", p.Backends[i].Name
					commit(s, func(c *state.Change) { c.SetOverride(&o) })
				}
			}
			made := compile(t, s, nil).pool("web")
			if len(made.Backends) != len(tt.facts) {
				t.Errorf("table has %d backends, want all %d", len(made.Backends), len(tt.facts))
			}
			if got := picked(t, made, 6); !maps.Equal(got, tt.want) {
				t.Errorf("picked %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOldVerdictIsNotForANewAddressOrCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Pool)
		want   map[string]int
	}{
		{"same", func(*config.Pool) {}, map[string]int{"b2": 4}},
		{"weight", func(p *config.Pool) { p.Backends[0].Weight = 9 }, map[string]int{"b2": 4}},
		// b1 is unknown now, and so waits while b2 is up.
		{"address of the one that is down", func(p *config.Pool) { p.Backends[0].Address = address(7000) }, map[string]int{"b2": 4}},
		// Now b2 is unknown, none is up, and b1 is still down.
		{"address of the one that is up", func(p *config.Pool) { p.Backends[1].Address = address(7000) }, map[string]int{"b2": 4}},
		{"settings of the check", func(p *config.Pool) { p.Health.Fall, p.Health.Interval = 9, time.Hour }, map[string]int{"b2": 4}},
		{"type of the check", func(p *config.Pool) { p.Health.Type = "http" }, map[string]int{"b1": 2, "b2": 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := &config.Config{Pools: []config.Pool{poolOf("web", 2)}}
			s := storeOf(cfg)
			verdict(s, "web", "b1", state.Down)
			verdict(s, "web", "b2", state.Up)
			p := poolOf("web", 2)
			tt.change(&p)
			commit(s, func(c *state.Change) { c.SetConfig(&config.Config{Pools: []config.Pool{p}}) })
			if got := picked(t, compile(t, s, nil).pool("web"), 4); !maps.Equal(got, tt.want) {
				t.Errorf("picked %v, want %v", got, tt.want)
			}
		})
	}
}
