package proxy

import (
	"context"
	"slices"
	"testing"

	"sluice/internal/testnet"
)

// Long connections are spread over the workers, however the kernel wakes them,
// also after all of one worker's have ended.
func TestWorkersShareLongConnections(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	open := func(n int) {
		t.Helper()
		for range n {
			c := p.dial()
			if _, err := testnet.Exchange(c, testnet.Stream(1), 10); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, n := range []int{10, 50, 200} {
		open(n)
		has := p.Stats().Workers
		least, most := int32(slices.Min(has)), int32(slices.Max(has))
		if most > least+slack(least)+1 {
			t.Errorf("after %d more: workers have %v connections", n, has)
		}
	}
}

// The last worker that accepts never rests, and one that rests comes back when
// its connections have ended.
func TestSomebodyAlwaysAccepts(t *testing.T) {
	s, err := New(Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background(), 0)
	done := make(chan struct{})
	go func() { // the workers sleep: nothing else touches them
		defer close(done)
		for _, w := range s.workers {
			w.rest()
		}
	}()
	<-done
	if n := s.resting.Load(); n != 2 {
		t.Fatalf("%d of 3 rest, want 2", n)
	}
	w := s.workers[0]
	w.load.Store(20)
	w.wakeIfIdle()
	if !w.resting.Load() {
		t.Error("a worker that has 20 more than the others came back")
	}
	w.load.Store(2)
	w.wakeIfIdle()
	if w.resting.Load() || s.resting.Load() != 1 {
		t.Error("a worker that has no more than the others still rests")
	}
}
