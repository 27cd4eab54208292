package control

import (
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/state"
)

// TestAnEmptyPoolIsTold once, at level error, whatever has emptied it.
func TestAnEmptyPoolIsTold(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	c := New(state.New(), plane{}, zap.New(core))
	p := poolOf("web", 2)
	p.Health.Agent = agentAt
	_, err := c.Reload(&config.Config{Pools: []config.Pool{p}})
	testnet.Must(t, "reload", err)
	drain, ready := saying(func(a *state.Advice) { a.Mode = state.Drain }), saying(func(*state.Advice) {})
	for i, step := range []struct {
		change func()
		want   []string
	}{
		{func() { verdict(c.store, "web", "b1", state.Down) }, nil},
		{func() { verdict(c.store, "web", "b2", state.Down) }, []string{"error pool web: no backend can be had: b1: down: "}},
		{func() { verdict(c.store, "web", "b2", state.Unknown) }, []string{"info pool web: backends can be had again"}},
		{func() { advise(c.store, "b2", drain) }, []string{"error pool web: no backend can be had: b1: down: "}},
		{func() { advise(c.store, "b1", drain) }, nil},
		{func() { advise(c.store, "b2", ready) }, []string{"info pool web: backends can be had again"}},
	} {
		step.change()
		c.publish()
		var lines []string
		for _, e := range logs.TakeAll() {
			lines = append(lines, e.Level.String()+" "+e.Message)
		}
		if !slices.Equal(lines, step.want) {
			t.Errorf("step %d: logged %q, want %q", i, lines, step.want)
		}
	}
}

// TestAdviceEmptiesAPoolPastPanic: what an agent asks for is obeyed as an order is, and
// what it finds down is health, which panic ignores.
func TestAdviceEmptiesAPoolPastPanic(t *testing.T) {
	for name, tt := range map[string]struct {
		says  func(*state.Advice)
		place Place
		empty bool
	}{
		"0%":    {func(a *state.Advice) { a.Weight, a.Percent = 0, true }, Out, true},
		"drain": {func(a *state.Advice) { a.Mode = state.Drain }, Out, true},
		"down":  {func(a *state.Advice) { a.Down = true }, Serves, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := poolOf("web", 2)
			p.Health.Agent, p.PanicThreshold = agentAt, 100
			s := storeOf(&config.Config{Pools: []config.Pool{p}})
			for _, b := range p.Backends {
				verdict(s, "web", b.Name, state.Up)
				advise(s, b.Name, saying(tt.says))
			}
			for _, b := range Standings(s.View(), "web") {
				if b.Place != tt.place {
					t.Errorf("%s: place %v, want %v", b.Backend.Name, b.Place, tt.place)
				}
			}
			if empty := compile(t, s, nil).pools["web"].empty; (empty != "") != tt.empty {
				t.Errorf("empty: %q", empty)
			}
		})
	}
}
