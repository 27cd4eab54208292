package proxy

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"sluice/balancer"
	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// The data plane allocates nothing for bytes that flow, and nothing for a
// connection but its record's ring entry, which is there already.
func TestHotPathAllocatesNothing(t *testing.T) {
	echo := listen(t, func(c *net.TCPConn) {
		b := make([]byte, 1024)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(b[:n])
		}
	})
	p := newPlane(t, nil, echo)
	c := p.dial()
	b := make([]byte, 1024)
	if n := testing.AllocsPerRun(500, func() {
		c.Write(b)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a round trip, want 0", n)
	}
}

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

func TestSlabForgetsTheOldGeneration(t *testing.T) {
	b, err := newBook(true, shape{Workers: 1, Conns: 3001, Pipes: 1, Buffers: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	s := newSlab(b.chapter(0))
	slot, _, old := s.take()
	s.give(slot)
	if again, _, generation := s.take(); again != slot || generation == old || generation == 0 {
		t.Errorf("slot %d generation %d after slot %d generation %d", again, generation, slot, old)
	}
	var slots []uint32
	for {
		slot, c, _ := s.take()
		if c == nil {
			break
		}
		c.client = 7
		slots = append(slots, slot)
	}
	if len(slots) != 2999 {
		t.Fatalf("%d more conns, want 2999", len(slots))
	}
	for _, slot := range slots {
		s.give(slot)
	}
	s.give(1)
	if s.page.used != 0 || s.at(2).client != 0 {
		t.Errorf("an empty slab keeps %d slots, client %d", s.page.used, s.at(2).client)
	}
	if slot, _, generation := s.take(); slot != 1 || generation == 0 {
		t.Errorf("slot %d generation %d of an emptied slab", slot, generation)
	}
}

// A pipe that was lent comes back once; one that held bytes never does.
func TestPipesNeverLendBytes(t *testing.T) {
	p, err := newPipes(1<<20, spares(100), make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	defer func(was bool) { privileged = was }(privileged)
	privileged = false
	var lent []int32
	for range largePipes + 10 {
		i, e := p.take()
		if e != 0 {
			t.Fatal(e)
		}
		sys.Write(p.at(i).w, []byte("left over"))
		lent = append(lent, i)
	}
	if small := p.at(lent[largePipes+1]); small.size >= 1<<20 || small.slots != small.size/pageSize {
		t.Errorf("pipe %d is %+v, want one of the kernel's default size", largePipes+1, *small)
	}
	for _, i := range lent {
		p.drop(i, 0)
	}
	if n := p.open.Load(); n != pipesKept || p.used.Load() != 0 {
		t.Errorf("%d open, %d lent; want %d and none", n, p.used.Load(), pipesKept)
	}
	for range pipesKept {
		i, _ := p.take()
		if n := sys.Unread(p.at(i).r); n != 0 {
			t.Errorf("a pipe is lent with %d bytes in it", n)
		}
		defer p.give(i)
	}
}

func TestPipesAreTrimmedToWhatIsKept(t *testing.T) {
	p, err := newPipes(1<<16, spares(100), make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var lent []int32
	for range 3 * pipesKept {
		i, _ := p.take()
		lent = append(lent, i)
	}
	for _, i := range lent {
		p.give(i)
	}
	if !p.spare() {
		t.Fatal("nothing to trim")
	}
	p.trim()
	if n := p.open.Load(); n != pipesKept || p.spare() {
		t.Errorf("%d pipes after trim, want %d", n, pipesKept)
	}
}

// A number is used again only when no connection holds it and every worker has
// seen that it is retired.
func TestNumbersAreUsedAgainWhenNobodyCan(t *testing.T) {
	table := func(names ...string) *Table {
		pool := &Pool{Name: "p"}
		for _, n := range names {
			pool.Backends = append(pool.Backends, &Backend{Name: n, Load: &balancer.Load{}})
		}
		return &Table{Pools: []*Pool{pool}, Listeners: []*Listener{{Name: "l" + names[0], Pool: pool}}}
	}
	yes := func() bool { return true }
	first := table("a", "b")
	l := (&live{table: &Table{}}).succeed(first, 0, yes)
	a := first.Pools[0].Backends[0]
	if a.Load.ID == 0 || l.backend(a.Load.ID).Backend != a || l.backend(a.Load.ID).pool != first.Pools[0] {
		t.Fatalf("backend a has number %d", a.Load.ID)
	}
	a.Load.Acquire(0)
	l2 := l.succeed(table("c"), l.version, yes)
	if l2.backend(a.Load.ID).Backend != a || l2.listener(1).Name != "la" || l2.listener(1).retired == 0 {
		t.Error("a retired number was given away at once")
	}
	l3 := l2.succeed(l2.table, l.version, yes) // a worker still works by l
	if l3.listener(1) == nil || l3.backends[2] == nil {
		t.Error("numbers were freed that a worker may still use")
	}
	l4 := l3.succeed(table("d"), l3.version, yes)
	if l4.backend(a.Load.ID).Backend != a {
		t.Error("the number of a backend in use was freed")
	}
	if l4.backends[2].Name == "b" || l4.listener(1).Name != "ld" {
		t.Errorf("free numbers are not used: backend 2 is %s, listener 1 %s", l4.backends[2].Name, l4.listener(1).Name)
	}
	a.Load.Release()
	l5 := l4.succeed(l4.table, l4.version, func() bool { return false })
	if l5.backend(a.Load.ID).Backend != a {
		t.Error("the number of a backend was freed that something waits to be told of")
	}
	if l5 := l4.succeed(l4.table, l4.version, yes); len(l5.backends) > int(a.Load.ID) && l5.backends[a.Load.ID] != nil && l5.backends[a.Load.ID].Backend == a {
		t.Error("the number of a backend nobody uses is kept")
	}
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

func spares(n int64) *atomic.Int64 {
	s := new(atomic.Int64)
	s.Store(n)
	return s
}

// Workers together open no more pipes than there are descriptors to spare, and
// one that is closed makes room for another.
func TestPipesStayWithinWhatCanBeSpared(t *testing.T) {
	left := spares(3)
	a, err := newPipes(1<<16, left, make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := newPipes(1<<16, left, make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	lent := map[*pipes][]int32{}
	for _, p := range []*pipes{a, b} {
		for range 2 * pipesKept {
			if i, e := p.take(); e == 0 {
				lent[p] = append(lent[p], i)
			}
		}
	}
	if len(lent[a]) != pipesKept+3 || len(lent[b]) != pipesKept {
		t.Fatalf("%d and %d pipes lent, want %d and %d", len(lent[a]), len(lent[b]), pipesKept+3, pipesKept)
	}
	a.drop(lent[a][0], 0)
	if _, e := b.take(); e != 0 {
		t.Error("a pipe that was closed makes no room")
	}
	for _, i := range lent[a][1:] {
		a.give(i)
	}
	a.trim()
	if left.Load() != 2 {
		t.Errorf("%d to spare after a trim, want 2", left.Load())
	}
}

func TestDescriptorsAreShared(t *testing.T) {
	for _, row := range []struct{ descriptors, workers, wanted, connections, spare int }{
		{20000, 2, 0, 9500, 236},
		{20000, 2, 1000, 1000, 8736},
		{1024, 8, 0, 455, 0},
		{256, 1, 0, 111, 0},
		{40, 4, 0, -12, 0},
	} {
		connections, spare := divide(row.descriptors, row.workers, row.wanted)
		if connections != row.connections || spare != row.spare {
			t.Errorf("%+v: %d connections, %d pipes to spare", row, connections, spare)
		}
	}
}

// Pipes that come over take the place of empty ones, and none is ever open that
// stands in no table: whoever comes next would not find it, or find another.
func TestPipesThatComeOverAreNoMoreThanBefore(t *testing.T) {
	left := spares(2)
	table := make([]pipe, pipesKept+2)
	for range 5 {
		p, err := newPipes(1<<16, left, table)
		if err != nil {
			t.Fatal(err)
		}
		for range cap(table) {
			r, w, e := sys.Pipe()
			if e != 0 {
				t.Fatal(e)
			}
			p.adopt(pipe{r: r, w: w, size: 1 << 16, slots: 16}, 0)
		}
		if n := p.open.Load(); n != pipesKept+2 || left.Load() != 0 || &p.all[0] != &table[0] {
			t.Errorf("%d pipes are open and %d may be, want %d and none, in the table", n, left.Load(), pipesKept+2)
		}
		left.Add(1)
		if i, e := p.take(); e == 0 {
			t.Errorf("pipe %d is lent for which there is no room", i)
		}
		p.close()
		left.Store(2)
	}
}
