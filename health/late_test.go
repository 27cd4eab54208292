package health

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
)

const lateLine = "probes are late: all that may wait for an answer at one time do"

// lateWorld has n silent backends in web and, in the pool quick, one that is
// well and probed every second.
func lateWorld(n int, timeout time.Duration) *world {
	cfg := web(n)
	cfg.Pools[0].Health.Interval, cfg.Pools[0].Health.Timeout = timeout, timeout
	quick := web(n + 1).Pools[0]
	quick.Name, quick.Backends = "quick", quick.Backends[n:]
	quick.Health.Interval = time.Second
	cfg.Pools = append([]config.Pool{quick}, cfg.Pools...)
	w := newWorld(cfg)
	for i := 1; i <= n; i++ {
		w.lag(i, 24*time.Hour)
	}
	return w
}

func (w *world) lateLines() (lines int) {
	for _, line := range w.lines() {
		if line == lateLine {
			lines++
		}
	}
	return lines
}

func TestProbesThatAreLateAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lateWorld(mostInFlight, time.Hour)
		w.run(t)
		time.Sleep(1900 * ms) // due at 1 s
		synctest.Wait()
		if got := w.lateLines(); got != 0 {
			t.Errorf("told %d times before it was late by its interval", got)
		}
		time.Sleep(1200 * ms)
		synctest.Wait()
		i := slices.IndexFunc(w.logs.All(), func(e observer.LoggedEntry) bool { return e.Message == lateLine })
		if i < 0 {
			t.Fatalf("logged %q", w.lines())
		}
		fields := w.logs.All()[i].ContextMap()
		if fields["pool"] != "quick" || fields["waiting"] != int64(1) || fields["in_flight"] != int64(mostInFlight) {
			t.Errorf("fields %v", fields)
		}
		w.lines()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := w.lateLines(); got < 9 || got > 10 {
			t.Errorf("told %d times in 10 minutes, want once a minute", got)
		}
	})
}

func TestProbesInTimeAreNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lateWorld(mostInFlight, time.Second)
		w.run(t)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := w.lateLines(); got != 0 {
			t.Errorf("told %d times", got)
		}
	})
}
