package proxy

import (
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"sluice/internal/testnet"
)

func TestRingGivesItsMemoryBackOnlyWhenAllIsTold(t *testing.T) {
	b, err := newBook(true, shape{Workers: 1, Conns: 1, Pipes: 1, Buffers: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ch := b.chapter(0)
	r := ring{ringMarks: &ch.page.marks, entries: ch.ring}
	written := func() (n int) {
		for i := range r.entries {
			if r.entries[i].count != 0 {
				n++
			}
		}
		return n
	}
	const many = ringSize / 2
	for range many {
		r.slot().count = 1
		r.put()
	}
	r.clear()
	if n := written(); n != many {
		t.Errorf("%d of %d entries are left before they were told", n, many)
	}
	r.head.Store(r.tail.Load())
	r.clear()
	if n := written(); n > 2*os.Getpagesize()/int(unsafe.Sizeof(told{})) {
		t.Errorf("%d of %d entries have their memory after they were told", n, many)
	}
	r.slot().count = 2
	r.put()
	if e := r.entries[many]; e.count != 2 {
		t.Errorf("the next entry is %+v", e)
	}
}

// What a worker has of its ring for itself the reporter does not even copy; the
// race detector tells.
func TestReporterLeavesTheWorkersWordsAlone(t *testing.T) {
	b, err := newBook(true, shape{Workers: 1, Conns: 1, Pipes: 1, Buffers: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ch := b.chapter(0)
	w := &worker{ring: ring{ringMarks: &ch.page.marks, entries: ch.ring}}
	r := newReporter(&Server{workers: []*worker{w}})
	stop := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				r.sweep()
			}
		}
	})
	for round := range 20 {
		for range ringKeep + 1 {
			*w.ring.slot() = told{kind: toldNotice}
			w.ring.put()
		}
		testnet.Eventually(t, 30*time.Second, "all is told", w.ring.empty)
		if w.ring.clear(); w.ring.clean != w.ring.tail.Load() {
			t.Errorf("round %d: the memory was not given back", round)
		}
	}
	close(stop)
	reporter.Wait()
}

// What the sinks cannot keep up with is dropped and counted; the worker does
// not wait.
func TestFullRingDropsAndCounts(t *testing.T) {
	hold, notices := make(chan struct{}), make(chan Notice, 8)
	s, err := New(Options{Workers: 1, Record: func(*Record) { <-hold }, Notice: func(n Notice) { notices <- n }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context(), 0)
	w := s.workers[0]
	pool := &Pool{Name: "p"}
	s.Publish(&Table{Listeners: []*Listener{{Name: "l", Pool: pool}}, Pools: []*Pool{pool}}, nil)
	const lost = 5
	for i := range ringSize + lost {
		e := w.ring.slot()
		if (e == nil) != (i >= ringSize) {
			t.Fatalf("entry %d of %d: dropped %v", i, ringSize, e == nil)
		}
		if e != nil {
			*e = told{kind: toldRecord, listener: 1}
			w.ring.put()
		}
	}
	s.reporter.wake()
	close(hold)
	if n := <-notices; n.Kind != NoticeDropped || n.Count != lost {
		t.Errorf("notice %+v, want %d dropped", n, lost)
	}
	if s.Stats().Dropped != lost {
		t.Errorf("%d counted, want %d", s.Stats().Dropped, lost)
	}
}
