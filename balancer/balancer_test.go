package balancer

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestLoadHasCacheLinesOfItsOwn(t *testing.T) {
	if n := unsafe.Sizeof(Load{}); n != 128 {
		t.Errorf("a Load has %d bytes, want 128", n)
	}
	var p roundRobin
	if at := unsafe.Offsetof(p.cursor); at-unsafe.Offsetof(p.step) < 128 || unsafe.Sizeof(p)-at < 128 {
		t.Error("the cursor of round_robin shares a cache line")
	}
	var l leastConnections
	if at := unsafe.Offsetof(l.now); at-unsafe.Offsetof(l.times) < 128 || unsafe.Sizeof(l)-at < 128 {
		t.Error("the time of least_connections shares a cache line")
	}
}

func TestAcquireKeepsTheLimit(t *testing.T) {
	var l Load
	for i, want := range []bool{true, true, false, false} {
		if got := l.Acquire(2); got != want {
			t.Errorf("acquire %d: got %v, want %v", i, got, want)
		}
	}
	l.Release()
	if !l.Acquire(2) || l.Acquire(2) {
		t.Error("one place came free, and not exactly one was had")
	}
	if !l.Acquire(0) || !l.Acquire(-1) || l.Active() != 4 {
		t.Errorf("no limit is a limit: %d active, want 4", l.Active())
	}
}

// Refusals are not seen by anyone: with one place held and many asking, the
// count never leaves one.
func TestRefusedAcquireIsNeverCounted(t *testing.T) {
	var l Load
	l.Acquire(1)
	var stop atomic.Bool
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for !stop.Load() {
				if l.Acquire(1) {
					t.Error("a second connection got in")
					return
				}
			}
		})
	}
	for range 200_000 {
		if n := l.Active(); n != 1 {
			t.Errorf("%d active, want 1", n)
			break
		}
	}
	stop.Store(true)
	crowd.Wait()
}

// Workers fight for one place, which is counted apart from the Load too.
func TestAcquireKeepsTheLimitInACrowd(t *testing.T) {
	var l Load
	var inside, over atomic.Int64
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for range 500_000 {
				if l.Acquire(1) {
					if inside.Add(1) > 1 || l.Active() > 1 {
						over.Add(1)
					}
					inside.Add(-1)
					l.Release()
				}
			}
		})
	}
	crowd.Wait()
	if over.Load() > 0 || l.Active() != 0 {
		t.Errorf("%d times over the limit, %d left", over.Load(), l.Active())
	}
}

func TestFailuresCountInARow(t *testing.T) {
	var l Load
	for _, want := range []uint32{1, 2, 3} {
		if got := l.ConnectFailed(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	l.Connected()
	if got := l.ConnectFailed(); got != 1 {
		t.Errorf("after a connect: got %d, want 1", got)
	}
}

func TestTriedHoldsMaxTried(t *testing.T) {
	var tried Tried
	if tried.Has(0) {
		t.Error("the empty set has a member")
	}
	for id := range uint32(MaxTried) {
		if tried.Has(id+1) || !tried.Add(id+1) || !tried.Has(id+1) || tried.Len() != int(id)+1 {
			t.Errorf("id %d is not added once", id+1)
		}
	}
	if tried.Add(100) || tried.Has(100) || tried.Len() != MaxTried {
		t.Error("the full set took one more")
	}
}
