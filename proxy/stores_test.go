package proxy

import (
	"io"
	"net"
	"testing"

	"sluice/balancer"
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
