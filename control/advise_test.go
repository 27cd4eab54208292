package control

import (
	"maps"
	"testing"
	"time"

	"sluice/balancer"
	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

// agentAt is whom the pools of these tests ask.
var agentAt = address(9999)

// advised is a pool of n backends that are up, all with the agent at agentAt.
func advised(n int) *state.Store {
	p := poolOf("web", n)
	p.Health.Agent = agentAt
	s := storeOf(&config.Config{Pools: []config.Pool{p}})
	for _, b := range p.Backends {
		verdict(s, "web", b.Name, state.Up)
	}
	return s
}

// advise writes what health would write of a backend as it is now.
func advise(s *state.Store, backend string, a state.Advice) {
	commit(s, func(c *state.Change) {
		a.Pool, a.Backend, a.Agent, a.Address = "web", backend, agentAt, c.View().Backend("web", backend).Address
		c.SetAdvice(&a)
	})
}

// saying is an advice in which nothing is said but what change says.
func saying(change func(*state.Advice)) state.Advice {
	a := state.Advice{Weight: -1, MaxConnections: -1, Said: "so"}
	change(&a)
	return a
}

func TestAgentSteersItsBackend(t *testing.T) {
	for _, tt := range []struct {
		name   string
		says   func(*state.Advice)
		order  state.Override
		status state.Status
		want   map[string]int // of 60 picks
		why    string
	}{
		{"nothing", func(*state.Advice) {}, state.Override{}, state.Up, map[string]int{"b1": 30, "b2": 30}, "serving: up"},
		{"down", func(a *state.Advice) { a.Down = true }, state.Override{}, state.Up, map[string]int{"b2": 60}, `out: down: its agent says "so"`},
		{"drain", func(a *state.Advice) { a.Mode = state.Drain }, state.Override{}, state.Up, map[string]int{"b2": 60}, `out: its agent says "so"`},
		{"maint", func(a *state.Advice) { a.Mode = state.Maint }, state.Override{}, state.Up, map[string]int{"b2": 60}, `out: its agent says "so"`},
		{"a weight of 0", func(a *state.Advice) { a.Weight = 0 }, state.Override{}, state.Up, map[string]int{"b2": 60}, `out: its agent says "so"`},
		{"half", func(a *state.Advice) { a.Weight, a.Percent = 50, true }, state.Override{}, state.Up, map[string]int{"b1": 20, "b2": 40}, "serving: up"},
		{"twice", func(a *state.Advice) { a.Weight, a.Percent = 200, true }, state.Override{}, state.Up, map[string]int{"b1": 40, "b2": 20}, "serving: up"},
		{"a weight", func(a *state.Advice) { a.Weight = 5 }, state.Override{}, state.Up, map[string]int{"b1": 50, "b2": 10}, "serving: up"},
		{"up, and a probe says down", func(*state.Advice) {}, state.Override{}, state.Down, map[string]int{"b2": 60}, "out: down: "},
		{"an order outranks it", func(*state.Advice) {}, state.Override{Mode: state.Maint}, state.Up, map[string]int{"b2": 60}, "out: ordered: maint"},
		{"a weight by order outranks its own", func(a *state.Advice) { a.Weight = 0 }, state.Override{Weight: 2}, state.Up,
			map[string]int{"b1": 40, "b2": 20}, "serving: up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := advised(2)
			verdict(s, "web", "b1", tt.status)
			advise(s, "b1", saying(tt.says))
			if o := tt.order; o != (state.Override{}) {
				o.Pool, o.Backend = "web", "b1"
				commit(s, func(c *state.Change) { c.SetOverride(&o) })
			}
			if got := picked(t, compile(t, s, nil).pool("web"), 60); !maps.Equal(got, tt.want) {
				t.Errorf("picked %v, want %v", got, tt.want)
			}
			if st := Standings(s.View(), "web")[0]; st.Place.String()+": "+st.Why != tt.why {
				t.Errorf("it is %s: %s, want %s", st.Place, st.Why, tt.why)
			}
		})
	}
}

// TestMoreThanAllOfALargeWeight: twice a weight is twice as much, however large it is.
func TestMoreThanAllOfALargeWeight(t *testing.T) {
	for _, weight := range []int{1, 600, 1000, maxWeight / 2} {
		p := poolOf("web", 2)
		p.Health.Agent = agentAt
		for i := range p.Backends {
			p.Backends[i].Weight = weight
		}
		s := storeOf(&config.Config{Pools: []config.Pool{p}})
		for _, b := range p.Backends {
			verdict(s, "web", b.Name, state.Up)
		}
		advise(s, "b1", saying(func(a *state.Advice) { a.Weight, a.Percent = 200, true }))
		if got := picked(t, compile(t, s, nil).pool("web"), 300); got["b1"] < 195 || got["b1"] > 205 {
			t.Errorf("weight %d: picked %v, want twice as many of b1", weight, got)
		}
	}
}

// TestSharesAreFine: a percent of a weight of 1 is had, and the largest weights
// stay in bounds.
func TestSharesAreFine(t *testing.T) {
	s := advised(2)
	advise(s, "b1", saying(func(a *state.Advice) { a.Weight, a.Percent = 1, true }))
	if got, want := picked(t, compile(t, s, nil).pool("web"), 1010), map[string]int{"b1": 10, "b2": 1000}; !maps.Equal(got, want) {
		t.Errorf("picked %v, want %v", got, want)
	}
	advise(s, "b1", saying(func(a *state.Advice) { a.Weight, a.Percent = maxWeight, true }))
	advise(s, "b2", saying(func(a *state.Advice) { a.Weight = maxWeight }))
	compile(t, s, nil)
}

func TestAgentLimitsConnections(t *testing.T) {
	s := advised(1)
	advise(s, "b1", saying(func(a *state.Advice) { a.MaxConnections = 3 }))
	if got := Standings(s.View(), "web")[0].MaxConnections; got != 3 {
		t.Errorf("max_connections %d, want 3", got)
	}
	p := compile(t, s, nil).pool("web")
	p.Backends[0].Load.ID = 1
	if got := held(p, 5); got != 3 {
		t.Errorf("%d connections were let in, want 3", got)
	}
}

// held is how many of n picks, none of which is given back, are had.
func held(p *proxy.Pool, n int) (had int) {
	for range n {
		if _, v := p.Balancer.Pick(&balancer.Request{}); v == balancer.Picked {
			had++
		}
	}
	return had
}

// TestOldAdviceIsNotForANewAddressOrAgent, nor where nobody is asked any more.
func TestOldAdviceIsNotForANewAddressOrAgent(t *testing.T) {
	for name, change := range map[string]func(*config.Pool){
		"address":       func(p *config.Pool) { p.Backends[0].Address = address(7000) },
		"another agent": func(p *config.Pool) { p.Health.Agent = address(9998) },
		"no agent":      func(p *config.Pool) { p.Health.Agent = config.Address{} },
	} {
		s := advised(2)
		advise(s, "b1", saying(func(a *state.Advice) { a.Mode = state.Drain }))
		p := poolOf("web", 2)
		p.Health.Agent = agentAt
		change(&p)
		commit(s, func(c *state.Change) { c.SetConfig(&config.Config{Pools: []config.Pool{p}}) })
		verdict(s, "web", "b1", state.Up)
		if got, want := picked(t, compile(t, s, nil).pool("web"), 4), map[string]int{"b1": 2, "b2": 2}; !maps.Equal(got, want) {
			t.Errorf("%s: picked %v, want %v", name, got, want)
		}
	}
}

// TestSharesAndSlowStartGoTogether: who comes back has a tenth of its share.
func TestSharesAndSlowStartGoTogether(t *testing.T) {
	p := poolOf("web", 2)
	p.Health.Agent, p.SlowStart = agentAt, 10*time.Second
	s := storeOf(&config.Config{Pools: []config.Pool{p}})
	verdict(s, "web", "b1", state.Down)
	verdict(s, "web", "b2", state.Up)
	advise(s, "b1", saying(func(a *state.Advice) { a.Weight, a.Percent = 50, true }))
	c := compile(t, s, nil)
	verdict(s, "web", "b1", state.Up)
	if got, want := picked(t, compile(t, s, c).pool("web"), 210), map[string]int{"b1": 10, "b2": 200}; !maps.Equal(got, want) {
		t.Errorf("picked %v, want %v", got, want)
	}
}
