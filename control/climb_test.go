package control

import (
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

// slowly has two backends that are up and start slowly, and a third one that is
// down.
func slowly(length time.Duration, weight int) *state.Store {
	p := poolOf("web", 3)
	p.SlowStart = length
	for i := range p.Backends {
		p.Backends[i].Weight = weight
	}
	s := storeOf(&config.Config{Pools: []config.Pool{p}})
	verdict(s, "web", "b1", state.Up)
	verdict(s, "web", "b2", state.Up)
	verdict(s, "web", "b3", state.Down)
	return s
}

// TestWhoComesBackStartsSlowly: of what way back to be well, a tenth of the
// weight follows, and of what not.
func TestWhoComesBackStartsSlowly(t *testing.T) {
	order := func(m state.Mode) func(*state.Store) {
		return func(s *state.Store) {
			commit(s, func(c *state.Change) { c.SetOverride(&state.Override{Pool: "web", Backend: "b1", Mode: m}) })
		}
	}
	status := func(b string, st state.Status) func(*state.Store) {
		return func(s *state.Store) { verdict(s, "web", b, st) }
	}
	all := map[string]int{"b1": 20, "b2": 20, "b3": 20}
	two := map[string]int{"b1": 30, "b2": 30}
	slow := map[string]int{"b1": 20, "b2": 2} // 1 of 11, in rounds of 22
	for _, tt := range []struct {
		name       string
		away, back func(*state.Store)
		picks      int
		want       map[string]int
	}{
		{"from down", func(s *state.Store) {}, status("b3", state.Up), 21, map[string]int{"b1": 10, "b2": 10, "b3": 1}},
		{"from an ejection", func(s *state.Store) { eject(s, "web", "b2") },
			func(s *state.Store) { commit(s, func(c *state.Change) { c.DeleteEjection("web", "b2") }) }, 22, slow},
		{"from maintenance", order(state.Maint), order(state.Ready), 22, map[string]int{"b1": 2, "b2": 20}},
		{"from nowhere", func(*state.Store) {}, func(*state.Store) {}, 60, two},
		{"from unknown", func(s *state.Store) { commit(s, func(c *state.Change) { c.DeleteHealth("web", "b3") }) },
			status("b3", state.Up), 60, all},
		{"from the last resort", func(s *state.Store) {
			verdict(s, "web", "b1", state.Down)
			eject(s, "web", "b2") // and still serves
		}, func(s *state.Store) { commit(s, func(c *state.Change) { c.DeleteEjection("web", "b2") }) }, 60, map[string]int{"b2": 60}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := slowly(10*time.Second, 1)
			tt.away(s)
			c := compile(t, s, nil)
			tt.back(s)
			c = compile(t, s, c)
			if got := picked(t, c.pool("web"), tt.picks); !maps.Equal(got, tt.want) {
				t.Errorf("picked %v, want %v", got, tt.want)
			}
			if climbs, want := !c.pools["web"].next.IsZero(), tt.picks != 60; climbs != want {
				t.Errorf("climbs: %v, want %v", climbs, want)
			}
		})
	}
}

// TestWeightClimbsByTenths has the clock in its hand. A pool is compiled anew
// when it is time, and not before.
func TestWeightClimbsByTenths(t *testing.T) {
	for _, weight := range []int{1, 7, 65535} {
		s := slowly(9*time.Second, weight)
		c := compile(t, s, nil)
		now := time.Now()
		verdict(s, "web", "b3", state.Up)
		for tenths := 1; tenths <= 10; tenths++ {
			next, err := compileAt(now, s.View(), c)
			testnet.Must(t, "compile", err)
			if next == c {
				t.Fatalf("weight %d: nothing new at %d tenths", weight, tenths)
			}
			c = next
			got := picked(t, c.pool("web"), 20*1000)
			want := float64(tenths) / 10
			if share := float64(got["b3"]) / float64(got["b1"]); share < want-0.01 || share > want+0.01 {
				t.Errorf("weight %d: %.3f of the others' share, want %.1f", weight, share, want)
			}
			now = now.Add(time.Second)
			if early, _ := compileAt(now.Add(-time.Millisecond), s.View(), c); early != c {
				t.Errorf("weight %d: compiled again before its time", weight)
			}
		}
		if !c.pools["web"].next.IsZero() {
			t.Errorf("weight %d: still climbs", weight)
		}
	}
}

// TestLoopPublishesEachStep: no commit comes, only time passes.
func TestLoopPublishesEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.New()
		var published atomic.Int64
		c := New(s, plane{publish: func(*proxy.Table, *proxy.Opening) { published.Add(1) }}, zap.NewNop())
		run(t, c)
		p := poolOf("web", 2)
		p.SlowStart = time.Minute
		_, err := c.Reload(&config.Config{Pools: []config.Pool{p}})
		testnet.Must(t, "reload", err)
		for _, st := range []state.Status{state.Up, state.Down, state.Up} {
			verdict(s, "web", "b1", st)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		published.Store(0)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := published.Load(); n != 4 {
			t.Errorf("%d tables in half of slow_start, want 4", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := published.Load(); n != 9 {
			t.Errorf("%d tables in all, want 9", n)
		}
	})
}
