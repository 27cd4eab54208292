package health

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/state"
)

func TestFailedConnectsMarkABackendDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, web(1))
		time.Sleep(time.Second)
		w.lines()
		for i := range uint32(3) {
			w.checker.ConnectFailed("web", "b1", i+1, syscall.ECONNREFUSED)
		}
		synctest.Wait()
		h := w.store.View().Health("web", "b1")
		const want = "connect 10.0.0.1:80: connection refused (3 in a row, the last one a client's)"
		if h.Status != state.Down || h.Reason != want {
			t.Errorf("%v: %s\nwant down: %s", h.Status, h.Reason, want)
		}
		if got := w.lines(); len(got) != 1 || got[0] != "web/b1 down: "+want {
			t.Errorf("logged %q", got)
		}
		time.Sleep(time.Second) // probed again at once, and then fast
		synctest.Wait()
		w.is(t, "b1", state.Up)
	})
}

func TestFailedConnectsBringProbesButNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(1)
		cfg.Pools[0].Health.Fall = 1_000_000
		w := begin(t, cfg)
		time.Sleep(500 * ms)
		w.checker.ConnectFailed("web", "b1", 1, syscall.ECONNREFUSED)
		synctest.Wait()
		if got, want := w.times(1), []time.Duration{0, 500 * ms}; !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
		w.lag(1, 30*ms)
		for i := range 5000 { // half a second
			w.checker.ConnectFailed("web", "b1", uint32(i+2), syscall.ECONNREFUSED)
			time.Sleep(100 * time.Microsecond)
		}
		synctest.Wait()
		if got := w.times(1); len(got) < 4 || len(got) > 8 {
			t.Errorf("%d probes in a storm of 5000 reports: %v", len(got), got)
		}
		if _, most := w.inFlight(); most != 1 {
			t.Errorf("%d probes of one backend in flight", most)
		}
	})
}

func TestConnectThatFailsDuringAProbeBringsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.lag(1, 30*ms)
		w.run(t)
		time.Sleep(2010 * ms) // a probe is in flight since 2 s
		w.checker.ConnectFailed("web", "b1", 1, syscall.ECONNREFUSED)
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := w.times(1), []time.Duration{0, 2000 * ms, 2100 * ms}; !slices.Equal(got, want) {
			t.Errorf("probed at %v, want %v", got, want)
		}
	})
}

func TestReportsTakenTogetherKeepTheNewRow(t *testing.T) {
	w := newWorld(web(1))
	w.checker.follow(time.Now(), time.Now())
	ch := w.checker.checks[key{"web", "b1"}]
	ch.tracker = tracker{status: state.Up, connects: 4, forgiven: 4}
	for n := range uint32(3) {
		w.checker.ConnectFailed("web", "b1", n+1, syscall.ECONNREFUSED)
	}
	w.checker.hear(time.Now())
	if ch.tracker.status != state.Down {
		t.Error("three connects failed after a good one, and the backend is not down")
	}
}

func TestReportsOfWhatIsNotFollowedAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := web(1)
		cfg.Pools[0].Health.Type = none
		w := begin(t, cfg)
		for range 10 {
			w.checker.ConnectFailed("web", "b1", 9, syscall.ECONNREFUSED)
			w.checker.ConnectFailed("lost", "b1", 9, syscall.ECONNREFUSED)
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		for range w.store.View().AllHealths() {
			t.Error("a row was written")
		}
		if len(w.times(1)) != 0 || len(w.lines()) != 0 {
			t.Error("probed or logged")
		}
	})
}

func TestReportsNeverWait(t *testing.T) {
	c := New(state.New(), nil) // nobody runs it
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range uint32(10_000) {
			c.ConnectFailed("web", fmt.Sprint("b", i%10), i/10+1, syscall.ECONNREFUSED)
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("ConnectFailed waits")
	}
	c.ConnectFailed("web", "b3", 999, syscall.ECONNREFUSED) // late
	got := c.reports.take()
	if r := got[key{"web", "b3"}]; len(got) != 10 || r.inARow != 1000 || !r.anew {
		t.Errorf("%d backends, b3 %+v; want 10 with 1000 in a row", len(got), r)
	}
}
