package proxy

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"sluice/balancer"
	"sluice/internal/sys"
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

func TestSlabForgetsTheOldGeneration(t *testing.T) {
	s, err := newSlab(3000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	slot, c := s.take()
	old := c.generation
	s.give(slot)
	if again, c := s.take(); again != slot || c.generation == old || c.generation == 0 {
		t.Errorf("slot %d generation %d after slot %d generation %d", again, c.generation, slot, old)
	}
	var slots []uint32
	for {
		slot, c := s.take()
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
	if s.used != 0 || s.at(2).client != 0 {
		t.Errorf("an empty slab keeps %d slots, client %d", s.used, s.at(2).client)
	}
	if slot, c := s.take(); slot != 1 || c.generation == 0 {
		t.Errorf("slot %d generation %d of an emptied slab", slot, c.generation)
	}
}

// A pipe that was lent comes back once; one that held bytes never does.
func TestPipesNeverLendBytes(t *testing.T) {
	p, err := newPipes(1<<20, spares(100))
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
	p, err := newPipes(1<<16, spares(100))
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
	first := table("a", "b")
	l := (&live{}).succeed(first, 0)
	a := first.Pools[0].Backends[0]
	if a.Load.ID == 0 || l.backend(a.Load.ID).Backend != a || l.backend(a.Load.ID).pool != first.Pools[0] {
		t.Fatalf("backend a has number %d", a.Load.ID)
	}
	a.Load.Acquire(0)
	l2 := l.succeed(table("c"), l.version)
	if l2.backend(a.Load.ID).Backend != a || l2.listener(1).Name != "la" || l2.listener(1).retired == 0 {
		t.Error("a retired number was given away at once")
	}
	l3 := l2.succeed(l2.table, l.version) // a worker still works by l
	if l3.listener(1) == nil || l3.backends[2] == nil {
		t.Error("numbers were freed that a worker may still use")
	}
	l4 := l3.succeed(table("d"), l3.version)
	if l4.backend(a.Load.ID).Backend != a {
		t.Error("the number of a backend in use was freed")
	}
	if l4.backends[2].Name == "b" || l4.listener(1).Name != "ld" {
		t.Errorf("free numbers are not used: backend 2 is %s, listener 1 %s", l4.backends[2].Name, l4.listener(1).Name)
	}
	a.Load.Release()
	if l5 := l4.succeed(l4.table, l4.version); len(l5.backends) > int(a.Load.ID) && l5.backends[a.Load.ID] != nil && l5.backends[a.Load.ID].Backend == a {
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
	l := &Listener{Name: "l", Pool: &Pool{Name: "p"}}
	const lost = 5
	for i := range ringSize + lost {
		e := w.ring.slot()
		if (e == nil) != (i >= ringSize) {
			t.Fatalf("entry %d of %d: dropped %v", i, ringSize, e == nil)
		}
		if e != nil {
			*e = told{kind: toldRecord, listener: l, pool: l.Pool}
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
	a, err := newPipes(1<<16, left)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := newPipes(1<<16, left)
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
		{20000, 2, 0, 9500, 240},
		{20000, 2, 1000, 1000, 8740},
		{1024, 8, 0, 459, 0},
		{256, 1, 0, 112, 3},
		{40, 4, 0, -8, 0},
	} {
		connections, spare := divide(row.descriptors, row.workers, row.wanted)
		if connections != row.connections || spare != row.spare {
			t.Errorf("%+v: %d connections, %d pipes to spare", row, connections, spare)
		}
	}
}
