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
		ejected  bool
		override state.Override
	}
	for _, tt := range []struct {
		name    string
		untried bool // health type none
		panic   int  // panic_threshold
		facts   []fact
		want    map[string]int // of six picks
	}{
		{"the up ones", false, 0, []fact{{status: up}, {status: down}, {status: up}}, map[string]int{"b1": 3, "b3": 3}},
		{"unknown waits while one is up", false, 0, []fact{{status: unknown}, {status: up}}, map[string]int{"b2": 6}},
		{"backup waits while a primary is up", false, 0, []fact{{status: up}, {status: up, backup: true}}, map[string]int{"b1": 6}},
		{"backup when no primary is up", false, 0, []fact{{status: down}, {status: up, backup: true}}, map[string]int{"b2": 6}},
		{"backup that is up before a primary that is unknown", false, 0,
			[]fact{{status: unknown}, {status: up, backup: true}}, map[string]int{"b2": 6}},
		{"unknown when none is up", false, 0, []fact{{status: unknown}, {status: down}, {status: unknown}}, map[string]int{"b1": 3, "b3": 3}},
		{"unknown primary before unknown backup", false, 0,
			[]fact{{status: unknown}, {status: unknown, backup: true}}, map[string]int{"b1": 6}},
		{"unknown backup when there is nothing else", false, 0,
			[]fact{{status: down}, {status: unknown, backup: true}}, map[string]int{"b2": 6}},
		{"down never", false, 0, []fact{{status: down}, {status: down, backup: true}}, map[string]int{}},
		{"drained gets none", false, 0,
			[]fact{{status: up, override: state.Override{Mode: state.Drain}}, {status: up}}, map[string]int{"b2": 6}},
		{"in maintenance gets none, though nothing else is left", false, 0,
			[]fact{{status: up, override: state.Override{Mode: state.Maint}}, {status: down}}, map[string]int{}},
		{"weight by order", false, 0,
			[]fact{{status: up, override: state.Override{Weight: 2}}, {status: up}}, map[string]int{"b1": 4, "b2": 2}},
		{"unprobed pool is up", true, 0, []fact{{status: down}, {status: unknown}}, map[string]int{"b1": 3, "b2": 3}},
		{"ejected gets none", false, 0, []fact{{status: up, ejected: true}, {status: up}}, map[string]int{"b2": 6}},
		{"ejected though it is not checked", true, 0, []fact{{ejected: true}, {}}, map[string]int{"b2": 6}},
		{"a backup before one that is ejected", false, 0,
			[]fact{{status: up, ejected: true}, {status: up, backup: true}}, map[string]int{"b2": 6}},
		{"one that is unknown before one that is ejected", false, 0,
			[]fact{{status: up, ejected: true}, {status: unknown}}, map[string]int{"b2": 6}},
		{"the ejected when there is nothing else", false, 0,
			[]fact{{status: up, ejected: true}, {status: down}, {status: up, ejected: true}}, map[string]int{"b1": 3, "b3": 3}},
		{"ejected and down is down", false, 0, []fact{{status: down, ejected: true}}, map[string]int{}},
		{"panic counts the ejected as ill", false, 50,
			[]fact{{status: up}, {status: up, ejected: true}, {status: down}}, map[string]int{"b1": 2, "b2": 2, "b3": 2}},
		{"half are well, no panic at 50", false, 50, []fact{{status: up}, {status: down}}, map[string]int{"b1": 6}},
		{"panic under 50", false, 50, []fact{{status: up}, {status: down}, {status: down}}, map[string]int{"b1": 2, "b2": 2, "b3": 2}},
		{"panic: unknown is not ill", false, 50, []fact{{status: unknown}, {status: down}}, map[string]int{"b1": 6}},
		{"panic: all down", false, 1, []fact{{status: down}, {status: down}}, map[string]int{"b1": 3, "b2": 3}},
		{"panic: an order holds and does not count", false, 50,
			[]fact{{status: up}, {status: down}, {status: down, override: state.Override{Mode: state.Maint}}}, map[string]int{"b1": 6}},
		{"panic: a backup waits for primaries that are up", false, 60,
			[]fact{{status: up}, {status: down}, {status: down, backup: true}}, map[string]int{"b1": 3, "b2": 3}},
		{"panic: a backup helps when no primary is up", false, 50,
			[]fact{{status: down}, {status: down}, {status: up, backup: true}}, map[string]int{"b1": 2, "b2": 2, "b3": 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := poolOf("web", len(tt.facts))
			p.PanicThreshold = tt.panic
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
				if f.ejected {
					eject(s, "web", p.Backends[i].Name)
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

func TestOldEjectionIsNotForANewAddress(t *testing.T) {
	s := storeOf(&config.Config{Pools: []config.Pool{poolOf("web", 2)}})
	eject(s, "web", "b1")
	p := poolOf("web", 2)
	p.Backends[0].Address = address(7000)
	commit(s, func(c *state.Change) { c.SetConfig(&config.Config{Pools: []config.Pool{p}}) })
	if got, want := picked(t, compile(t, s, nil).pool("web"), 4), map[string]int{"b1": 2, "b2": 2}; !maps.Equal(got, want) {
		t.Errorf("picked %v, want %v", got, want)
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

// TestStandingsSayWhatThePickerDoes joins the two: who serves is picked, nobody
// else is, and everyone has a reason.
func TestStandingsSayWhatThePickerDoes(t *testing.T) {
	p := poolOf("web", 5)
	p.Backends[4].Backup = true
	s := storeOf(&config.Config{Pools: []config.Pool{p}})
	order := func(o *state.Override) {
		o.Pool = "web"
		commit(s, func(c *state.Change) { c.SetOverride(o) })
	}
	check := func(step string, want ...string) {
		t.Helper()
		got := picked(t, compile(t, s, nil).pool("web"), 60)
		for i, st := range Standings(s.View(), "web") {
			said := st.Place.String() + ": " + st.Why
			if said != want[i] {
				t.Errorf("%s, %s: %q, want %q", step, st.Backend.Name, said, want[i])
			}
			if (got[st.Backend.Name] > 0) != (st.Place == Serves) {
				t.Errorf("%s, %s: %s, and picked %d times", step, st.Backend.Name, st.Place, got[st.Backend.Name])
			}
		}
	}
	const unproven = "serving: not probed yet, and none is up"
	check("start", unproven, unproven, unproven, unproven, "standby: a backup, and a primary can be had")
	verdict(s, "web", "b1", state.Up)
	verdict(s, "web", "b2", state.Up)
	verdict(s, "web", "b3", state.Down)
	verdict(s, "web", "b5", state.Up)
	order(&state.Override{Backend: "b2", Mode: state.Drain})
	check("mixed", "serving: up", "out: ordered: drain", "out: down: ", "out: not probed yet, and others are up",
		"standby: a backup, and a primary can be had")
	eject(s, "web", "b1")
	check("ejected", "out: ejected: broken", "out: ordered: drain", "out: down: ", "out: not probed yet, and others are up",
		"serving: up, a backup, and no primary can be had")
	order(&state.Override{Backend: "b5", Mode: state.Maint})
	check("unproven", "out: ejected: broken", "out: ordered: drain", "out: down: ", "serving: not probed yet, and none is up",
		"out: ordered: maint")
	order(&state.Override{Backend: "b4", Mode: state.Maint})
	check("only ejected", "serving: ejected: broken, and none is up", "out: ordered: drain", "out: down: ", "out: ordered: maint",
		"out: ordered: maint")
	commit(s, func(c *state.Change) {
		c.DeleteEjection("web", "b1")
		c.DeleteOverride("web", "b4")
		c.DeleteOverride("web", "b5")
	})
	order(&state.Override{Backend: "b1", Mode: state.Maint})
	check("backup", "out: ordered: maint", "out: ordered: drain", "out: down: ", "out: not probed yet, and others are up",
		"serving: up, a backup, and no primary can be had")
	order(&state.Override{Backend: "b1", Weight: 7})
	if got := Standings(s.View(), "web")[0]; got.Weight != 7 || got.Place != Serves {
		t.Errorf("weight by order: %+v", got)
	}
	if got := Standings(s.View(), "gone"); got != nil {
		t.Errorf("of a pool that is not there: %v", got)
	}
}
