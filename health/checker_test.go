package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/state"
)

const ms = time.Millisecond

func TestFirstProbeIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(2))
		w.be(2, errRefused)
		w.run(t)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		w.is(t, "b2", state.Down)
		want := []string{"web/b1 up: the first probe was good", "web/b2 down: connect: refused"}
		if got := w.lines(); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestCheckAsksElsewhereIfToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(2)
		cfg.Pools[0].Health.Address = address(99)
		w := newWorld(cfg)
		w.be(99, errRefused)
		w.run(t)
		synctest.Wait()
		w.is(t, "b1", state.Down)
		w.is(t, "b2", state.Down)
		if got := w.times(1); len(got) != 0 {
			t.Errorf("the backend's own address was probed at %v", got)
		}
	})
}

// The whole life of a backend: by its interval while it is up, fast while it
// falls, slow while it is down, fast while it rises.
func TestIntervalsFollowTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		time.Sleep(3 * time.Second) // probed at 0 and 2 s
		w.be(1, errRefused)
		time.Sleep(8 * time.Second) // 4, 4.3, 4.6 s
		synctest.Wait()
		w.is(t, "b1", state.Down)
		w.be(1, nil)
		time.Sleep(3 * time.Second) // 11.6, 11.9, 13.9 s
		synctest.Wait()
		w.is(t, "b1", state.Up)
		want := []time.Duration{0, 2000 * ms, 4000 * ms, 4300 * ms, 4600 * ms, 11600 * ms, 11900 * ms, 13900 * ms}
		if got := w.times(1); !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}

func TestTransitionIsLoggedOnceWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		time.Sleep(time.Second)
		w.be(1, errRefused)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.be(1, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		entries := w.logs.All()
		if len(entries) != 3 {
			t.Fatalf("%d lines, want 3: %v", len(entries), entries)
		}
		for i, want := range []struct {
			message string
			fields  map[string]any
		}{
			{"web/b1 up: the first probe was good", map[string]any{"pool": "web", "backend": "b1", "from": "unknown", "to": "up", "by": "probe", "reason": "the first probe was good", "after": 0 * ms}},
			{"web/b1 down: connect: refused (3 in a row)", map[string]any{"from": "up", "to": "down", "by": "probe", "after": 2600 * ms}},
			// Well since 61 s; probed every 7 s since 2.6 s, and then after 300 ms.
			{"web/b1 up: 2 good probes in a row", map[string]any{"from": "down", "to": "up", "after": 63300 * ms}},
		} {
			got := entries[i].ContextMap()
			if entries[i].Message != want.message {
				t.Errorf("line %d: %q, want %q", i, entries[i].Message, want.message)
			}
			for k, v := range want.fields {
				if got[k] != v {
					t.Errorf("line %d: %s=%v, want %v", i, k, got[k], v)
				}
			}
		}
	})
}

func TestOneRowPerTransitionAndNonePerProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		synctest.Wait()
		up := w.store.View()
		h := up.Health("web", "b1")
		if !h.Since.Equal(midnight) || h.Reason != "the first probe was good" || h.Subject.Address != address(1) {
			t.Errorf("row %+v", h)
		}
		time.Sleep(time.Hour)
		select {
		case <-up.Changed(state.Healths):
			t.Error("the table was written to though nothing has turned")
		default:
		}
		if n := len(w.times(1)); n < 1800 {
			t.Errorf("%d probes in an hour, want 1800", n)
		}
	})
}

func TestSlowProbesKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.lag(1, 900*ms)
		w.run(t)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got, want := w.times(1), []time.Duration{0, 2 * time.Second, 4 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}

func TestTimeoutIsABadProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.lag(1, time.Hour)
		w.run(t)
		time.Sleep(1100 * ms)
		synctest.Wait()
		w.is(t, "b1", state.Down)
	})
}

func TestVeryManyAreSpreadAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		cfg := web(n)
		w := newWorld(cfg)
		for i := 1; i <= n; i++ {
			w.lag(i, 10*ms)
		}
		w.run(t)
		synctest.Wait()
		if now, _ := w.inFlight(); now != atOnce+1 {
			t.Errorf("%d probes at once, want %d", now, atOnce+1)
		}
		time.Sleep(1100 * ms)
		synctest.Wait()
		up := 0
		for range w.store.View().AllHealths() {
			up++
		}
		if up != n {
			t.Errorf("%d of %d probed after a second", up, n)
		}
		if _, most := w.inFlight(); most > mostInFlight {
			t.Errorf("%d in flight, want %d at most", most, mostInFlight)
		}
	})
}

func TestSilentBackendsAreProbedWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * mostInFlight
		w := newWorld(web(n))
		for i := 1; i <= n; i++ {
			w.lag(i, time.Hour)
		}
		w.run(t)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if _, most := w.inFlight(); most != mostInFlight {
			t.Errorf("%d in flight at most, want %d", most, mostInFlight)
		}
		for i := 1; i <= n; i++ {
			w.is(t, fmt.Sprintf("b%d", i), state.Down)
		}
	})
}

func TestUnaskedProbeChangesNothingAndIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(2))
		time.Sleep(time.Second)
		w.lines()
		w.be(1, unasked{errors.New("socket: too many open files")})
		w.be(2, unasked{errors.New("socket: too many open files")})
		time.Sleep(time.Minute)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got := w.lines(); len(got) != 1 || got[0] != "backends cannot be probed and stay as they are" {
			t.Errorf("logged %q", got)
		}
	})
}

func TestProbeThatIsCancelledIsNotTold(t *testing.T) {
	w := newWorld(web(1))
	w.checker.follow(time.Now(), time.Now())
	ch := w.checker.queue.take(time.Now())
	ch.result = unasked{context.Canceled}
	w.checker.judge(ch, time.Now(), time.Now())
	if got := w.lines(); len(got) != 0 {
		t.Errorf("logged %q", got)
	}
}

func TestRunEndsItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(100)
		cfg.Pools[0].Health.Timeout = time.Hour
		w := newWorld(cfg)
		for i := 1; i <= 100; i++ {
			w.lag(i, time.Hour)
		}
		w.run(t)
		synctest.Wait()
		w.end()
		if now, _ := w.inFlight(); now != 0 || time.Since(midnight) != 0 {
			t.Errorf("%d probes outlived Run, which took %v to end", now, time.Since(midnight))
		}
		if got := w.lines(); len(got) != 0 {
			t.Errorf("logged %q", got)
		}
	})
}
