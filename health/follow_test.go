package health

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/state"
)

func TestReloadFollowsBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(2))
		time.Sleep(time.Second)
		w.lines()
		cfg := web(3)
		cfg.Pools[0].Backends = cfg.Pools[0].Backends[1:]
		w.reload(cfg)
		synctest.Wait()
		w.is(t, "b1", state.Unknown)
		w.is(t, "b2", state.Up)
		w.is(t, "b3", state.Up)
		time.Sleep(10 * time.Second)
		if got := w.times(1); len(got) != 1 {
			t.Errorf("the removed one was probed at %v", got)
		}
		if got := w.times(2); len(got) != 6 {
			t.Errorf("the one that stayed was probed at %v, want every 2 s since 0", got)
		}
		if got := w.times(3)[0]; got != time.Second {
			t.Errorf("the new one was first probed at %v, want at once", got)
		}
		if got, want := w.lines(), []string{"web/b3 up: the first probe was good"}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestChangedBackendLosesItsVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Pool)
		kept   bool
	}{
		{"weight and place", func(p *config.Pool) { p.Backends[0].Weight = 9; slices.Reverse(p.Backends) }, true},
		{"policy", func(p *config.Pool) { p.Policy = "maglev" }, true},
		{"address", func(p *config.Pool) { p.Backends[0].Address = address(77) }, false},
		{"timing", func(p *config.Pool) {
			h := &p.Health
			h.Interval, h.FastInterval, h.DownInterval, h.Timeout, h.Jitter = time.Minute, time.Second, time.Hour, 3*time.Second, 0.5
		}, true},
		{"rise and fall", func(p *config.Pool) { p.Health.Rise, p.Health.Fall = 7, 7 }, true},
		{"health type", func(p *config.Pool) { p.Health.Type = none }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, web(2))
				time.Sleep(time.Second)
				before := w.store.View().Health("web", "b1")
				cfg := web(2)
				tt.change(&cfg.Pools[0])
				// Its new probe will not be answered: what is left is old.
				w.mu.Lock()
				for _, a := range []config.Address{address(1), address(77)} {
					w.slow[a] = time.Hour
				}
				w.mu.Unlock()
				w.reload(cfg)
				synctest.Wait()
				after := w.store.View().Health("web", "b1")
				if kept := after == before && after != nil; kept != tt.kept {
					t.Errorf("row kept: %v, want %v", kept, tt.kept)
				}
			})
		})
	}
}

func TestChangedBackendIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		time.Sleep(time.Second)
		w.lines()
		cfg := web(1)
		cfg.Pools[0].Backends[0].Address = address(77)
		w.reload(cfg)
		synctest.Wait()
		want := []string{"web/b1 unknown: its address or its health check has changed", "web/b1 up: the first probe was good"}
		if got := w.lines(); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestProbeOfAnEarlierAddressDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(1)
		w := newWorld(cfg)
		w.lag(1, 500*ms)
		w.be(1, errRefused)
		w.run(t)
		synctest.Wait() // its first probe is in flight
		next := web(1)
		next.Pools[0].Backends[0].Address = address(77)
		w.reload(next)
		time.Sleep(time.Second)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got, want := w.lines(), []string{"web/b1 up: the first probe was good"}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestRowsOfNobodyAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		synctest.Wait()
		c := w.store.Change()
		c.SetHealth(&state.Health{Pool: "web", Backend: "gone", Status: state.Up})
		c.SetHealth(&state.Health{Pool: "lost", Backend: "b1", Status: state.Down})
		c.Commit()
		w.reload(web(2))
		synctest.Wait()
		var left []string
		for h := range w.store.View().AllHealths() {
			left = append(left, h.Pool+"/"+h.Backend)
		}
		if want := []string{"web/b1", "web/b2"}; !slices.Equal(left, want) {
			t.Errorf("rows of %v, want %v", left, want)
		}
		w.reload(&config.Config{})
		synctest.Wait()
		for h := range w.store.View().AllHealths() {
			t.Errorf("row of %s/%s outlived its pool", h.Pool, h.Backend)
		}
	})
}

func TestNothingToProbeIsNoWakeup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, &config.Config{})
		synctest.Wait()
		asked := 0
		w.checker.random = func() float64 { asked++; return 0 }
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if asked != 0 || len(w.checker.queue) != 0 {
			t.Error("it does something")
		}
	})
}

func TestUnknownTypeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(2)
		cfg.Pools[0].Health.Type = "weather"
		w := begin(t, cfg)
		synctest.Wait()
		if got := w.lines(); len(got) != 1 {
			t.Errorf("logged %q, want one line", got)
		}
	})
}

func TestWhatAProcessBeforeKnewIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(2)
		w := newWorld(cfg)
		view := w.store.View()
		c := w.store.Change()
		for i, name := range []string{"b1", "b2"} {
			subject := state.SubjectOf(view.Pool("web"), view.Backend("web", name))
			if i == 1 {
				subject.Address = address(77) // whom it had then
			}
			c.SetHealth(&state.Health{Pool: "web", Backend: name, Subject: subject, Status: state.Up, Since: time.Now()})
		}
		c.Commit()
		w.run(t)
		time.Sleep(time.Second)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got, want := w.lines(), []string{"web/b2 up: the first probe was good"}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}
