package health

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/state"
)

// twoPools has the same backends in web and in api.
func twoPools(n int, change func(*config.Health)) *config.Config {
	cfg := web(n)
	api := web(n).Pools[0]
	api.Name = "api"
	change(&api.Health)
	cfg.Pools = append([]config.Pool{api}, cfg.Pools...)
	return cfg
}

func TestBackendInSeveralPoolsIsAskedOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Health)
		probes int // of 10 s
	}{
		{"the same check", func(*config.Health) {}, 5},
		{"another question", func(h *config.Health) { h.Question = "path=/other" }, 10},
		{"another pace", func(h *config.Health) { h.Interval = time.Second }, 15},
		{"other patience", func(h *config.Health) { h.Timeout = 500 * ms }, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, twoPools(1, tt.change))
				time.Sleep(9900 * ms)
				synctest.Wait()
				if got := w.times(1); len(got) != tt.probes {
					t.Errorf("probed at %v, want %d times", got, tt.probes)
				}
				for _, pool := range []string{"api", "web"} {
					if h := w.store.View().Health(pool, "b1"); h == nil || h.Status != state.Up {
						t.Errorf("%s/b1 is %v, want up", pool, h)
					}
				}
			})
		})
	}
}

// What a pool's own clients find is its own; the probes are those of all.
func TestPoolsOfOneProbeHaveTheirOwnVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, twoPools(1, func(*config.Health) {}))
		synctest.Wait()
		w.lines()
		w.checker.ConnectFailed("api", "b1", 3, errRefused)
		synctest.Wait()
		if got, want := w.lines(), []string{"api/b1 down: connect: refused (3 in a row, the last one a client's)"}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
		w.be(1, errRefused)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.is(t, "b1", state.Down)
		w.lines()
		w.be(1, nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		want := []string{"api/b1 up: 2 good probes in a row", "web/b1 up: 2 good probes in a row"}
		if got := w.lines(); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestPoolThatJoinsIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		time.Sleep(time.Second)
		w.reload(twoPools(1, func(*config.Health) {}))
		synctest.Wait()
		if h := w.store.View().Health("api", "b1"); h == nil || h.Status != state.Up {
			t.Errorf("api/b1 is %v, want up", h)
		}
		time.Sleep(10 * time.Second)
		want := []time.Duration{0, time.Second, 3 * time.Second, 5 * time.Second, 7 * time.Second, 9 * time.Second, 11 * time.Second}
		synctest.Wait()
		if got := w.times(1); !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}

// Pools part when one gets another pace, and meet again; nobody loses what is
// known, and none is left behind.
func TestPoolsPartAndMeetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, twoPools(1, func(*config.Health) {}))
		time.Sleep(time.Second)
		synctest.Wait()
		w.lines()
		w.reload(twoPools(1, func(h *config.Health) { h.Interval = time.Second }))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(w.checker.inquiries); n != 2 {
			t.Errorf("%d inquiries after they parted, want 2", n)
		}
		w.reload(twoPools(1, func(*config.Health) {}))
		synctest.Wait()
		before := len(w.times(1))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n, probes := len(w.checker.inquiries), len(w.times(1))-before; n != 1 || probes != 5 {
			t.Errorf("%d inquiries and %d probes in 10 s after they met, want 1 and 5", n, probes)
		}
		if got := w.lines(); len(got) != 0 {
			t.Errorf("logged %q, want nothing", got)
		}
		w.reload(&config.Config{})
		synctest.Wait()
		if len(w.checker.inquiries)+len(w.checker.queue) != 0 {
			t.Errorf("%d inquiries of nobody", len(w.checker.inquiries))
		}
	})
}

// A pool that goes while its probe is in flight leaves the answer to the other.
func TestAnswerInFlightIsForWhoStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(twoPools(1, func(*config.Health) {}))
		w.lag(1, 500*ms)
		w.run(t)
		synctest.Wait()
		w.reload(web(1))
		time.Sleep(600 * ms)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if h := w.store.View().Health("api", "b1"); h != nil {
			t.Errorf("a row of api/b1, which is gone: %v", h)
		}
		w.reload(&config.Config{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.times(1); len(got) != 1 {
			t.Errorf("probed at %v though nobody wants to know", got)
		}
	})
}
