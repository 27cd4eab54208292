package control

import (
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

// TestPanic goes into a panic and out of it: both are logged once, connections
// are cut only where health counts, and every standing says why.
func TestPanic(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	var cut []string
	c := New(state.New(), plane{reset: func(b *proxy.Backend, _ proxy.Cause) int {
		cut = append(cut, b.Name)
		return 0
	}}, zap.New(core))
	p := poolOf("web", 3)
	p.PanicThreshold, p.OnDown = 50, "reset"
	_, err := c.Reload(&config.Config{Pools: []config.Pool{p}})
	testnet.Must(t, "reload", err)
	for _, b := range c.now.pool("web").Backends {
		b.Load.Acquire(0)
	}
	for _, step := range []struct {
		backend     string
		status      state.Status
		serving     int
		why         string // of b1
		lines, cuts []string
	}{
		{"b1", state.Down, 2, "down: ", nil, []string{"b1"}},
		{"b2", state.Down, 3, "panic: 1 of 3 are well; this one is down: ",
			[]string{"pool web: panic: 1 of 3 are well, connections go to all of them"}, nil},
		{"b3", state.Down, 3, "panic: 0 of 3 are well; this one is down: ", nil, nil},
		{"b3", state.Up, 3, "panic: 1 of 3 are well; this one is down: ", nil, nil},
		{"b2", state.Up, 2, "down: ",
			[]string{"pool web: panic is over, connections go to those that are well"}, []string{"b1"}},
	} {
		cut = nil
		verdict(c.store, "web", step.backend, step.status)
		c.publish()
		if got := picked(t, c.now.pool("web"), 60); len(got) != step.serving {
			t.Errorf("%s %v: picked %v, want %d backends", step.backend, step.status, got, step.serving)
		}
		if got := Standings(c.store.View(), "web")[0].Why; got != step.why {
			t.Errorf("%s %v: b1 %q, want %q", step.backend, step.status, got, step.why)
		}
		var lines []string
		for _, e := range logs.TakeAll() {
			lines = append(lines, e.Message)
		}
		if !slices.Equal(lines, step.lines) || !slices.Equal(cut, step.cuts) {
			t.Errorf("%s %v: logged %q, cut %v, want %q, %v", step.backend, step.status, lines, cut, step.lines, step.cuts)
		}
	}
}
