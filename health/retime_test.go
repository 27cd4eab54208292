package health

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/state"
)

// retimed is web(n) with another interval.
func retimed(n int, interval time.Duration) *config.Config {
	cfg := web(n)
	h := &cfg.Pools[0].Health
	h.Interval, h.FastInterval, h.DownInterval = interval, interval, interval
	return cfg
}

func TestNewTimingHoldsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		was    time.Duration
		reload time.Duration
		is     time.Duration
		want   []time.Duration
	}{
		{"shorter", 2 * time.Second, 2500 * ms, time.Second, []time.Duration{0, 2 * time.Second, 3 * time.Second, 4 * time.Second}},
		{"longer", time.Second, 1500 * ms, 3 * time.Second, []time.Duration{0, time.Second, 4 * time.Second}},
		// Overdue by the new interval: within one of them, half of it here.
		{"much shorter", time.Hour, 2500 * ms, time.Second, []time.Duration{0, 3 * time.Second, 4 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, retimed(1, tt.was))
				time.Sleep(tt.reload)
				w.reload(retimed(1, tt.is))
				time.Sleep(4500*ms - tt.reload)
				synctest.Wait()
				if got := w.times(1); !slices.Equal(got, tt.want) {
					t.Errorf("probed at %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestBackendKnownToBeDownStaysDownOverNewTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.be(1, errRefused)
		w.run(t)
		synctest.Wait()
		w.lines()
		w.reload(retimed(1, 3*time.Second))
		synctest.Wait()
		w.is(t, "b1", state.Down)
		if got := w.lines(); len(got) != 0 {
			t.Errorf("logged %q", got)
		}
	})
}

func TestCountsGoOnOverNewFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, retimed(1, time.Second))
		synctest.Wait()
		w.be(1, errRefused)
		time.Sleep(1500 * ms) // one bad probe
		cfg := retimed(1, time.Second)
		cfg.Pools[0].Health.Fall = 2
		w.reload(cfg)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		time.Sleep(time.Second)
		synctest.Wait()
		w.is(t, "b1", state.Down)
	})
}

func TestProbeInFlightCountsOverNewTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.lag(1, 500*ms)
		w.run(t)
		synctest.Wait()
		w.reload(retimed(1, 3*time.Second))
		time.Sleep(3200 * ms)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got, want := w.times(1), []time.Duration{0, 3 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}

// Very many that are overdue by a shorter interval do not come all at once.
func TestNewTimingSpreadsTheOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld(retimed(n, time.Hour))
		at := 0
		w.checker.random = func() float64 { at++; return float64(at%n) / n }
		w.run(t)
		time.Sleep(time.Minute)
		w.reload(retimed(n, time.Second))
		time.Sleep(time.Second)
		synctest.Wait()
		same := map[time.Duration]int{}
		for i := 1; i <= n; i++ {
			same[w.times(i)[1]]++
		}
		for at, probes := range same {
			if probes > n/100 {
				t.Errorf("%d probes at %v, want them spread", probes, at)
			}
		}
	})
}

func TestProbeInFlightIsNotDoubledByNewTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.lag(1, 900*ms)
		w.run(t)
		time.Sleep(500 * ms)
		w.reload(retimed(1, 200*ms)) // by which it is overdue
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, most := w.inFlight(); most != 1 {
			t.Errorf("%d probes at one time", most)
		}
	})
}

func TestFirstProbeIsAtOnceOverNewTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * atOnce // of which some are still to begin
		w := begin(t, web(n))
		time.Sleep(ms)
		w.reload(retimed(n, time.Hour))
		time.Sleep(100 * ms)
		synctest.Wait()
		for i := 1; i <= n; i++ {
			w.is(t, fmt.Sprintf("b%d", i), state.Up)
		}
	})
}

func TestReloadOfTheSameTimingMovesNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(1)
		cfg.Pools[0].Health.Jitter = 0.5
		w := begin(t, cfg)
		time.Sleep(time.Second)
		synctest.Wait()
		w.checker.random = func() float64 { return 1 }
		again := web(1)
		again.Pools[0].Health.Jitter, again.Pools[0].Policy = 0.5, "maglev"
		w.reload(again)
		time.Sleep(1500 * ms)
		synctest.Wait()
		if got, want := w.times(1), []time.Duration{0, 2 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}
