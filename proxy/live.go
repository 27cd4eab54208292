package proxy

import (
	"sync/atomic"

	"sluice/balancer"
	"sluice/proxy/guard"
)

// live is the table in force and what still refers to tables before it. Conns
// name listeners and backends by number; live says who that is. It is
// immutable: Publish makes a new one, workers read one pointer a turn.
//
// A number stays taken after its listener or backend has left the table until
// nobody can use it any more: its count is zero, every worker has seen a live in
// which it was retired, so none can still be about to count, and nothing that
// was said of it waits to be told.
type live struct {
	version   uint64
	room      int // connections that there may be
	table     *Table
	listeners []*listenerSlot // by number; 0 is unused
	backends  []*backendSlot  // by balancer.Load.ID; 0 is unused
	doors     []*door         // open listening sockets by number
	owners    []*listenerSlot // by number of the door: who accepts there
}

// listenerSlot is a numbered listener: how it is now, and its count, which
// stays when a reload changes the rest.
type listenerSlot struct {
	*Listener
	*listenerCount
	sourceTable
	fallback *fallbackFile // nil: none
	retired  uint64        // version that left it out; 0: in the table
}

// listenerCount is shared by all workers; the padding keeps two from sharing a
// cache line.
type listenerCount struct {
	id     uint32
	paused atomic.Int32 // workers that do not accept here for the time being
	rate   guard.Bucket
	active atomic.Int64
	_      [104]byte
}

// backendSlot is a numbered backend and the pool it belongs to.
type backendSlot struct {
	*Backend
	pool    *Pool
	retired uint64
}

func (l *live) listener(id uint32) *listenerSlot { return l.listeners[id] }

func (l *live) backend(id uint32) *backendSlot { return l.backends[id] }

// succeed makes the live that follows l and has t in force. seen is the oldest
// version that any worker may still use; told reports whether everything that
// workers have said so far was told. It is asked last: a conn's end is said before
// the conn leaves the counts.
func (l *live) succeed(t *Table, seen uint64, told func() bool) *live {
	n := &live{version: l.version + 1, table: t, room: l.room}
	n.keepPools(l)
	n.listeners = n.numberListeners(l, seen, told)
	n.backends = n.numberBackends(l, seen, told)
	return n
}

func (n *live) numberListeners(l *live, seen uint64, told func() bool) []*listenerSlot {
	byName := map[string]*listenerSlot{}
	slots := make([]*listenerSlot, max(1, len(l.listeners)))
	for id, old := range l.listeners {
		if old == nil || old.retired != 0 && old.retired <= seen && old.active.Load() == 0 && told() {
			continue
		}
		slots[id] = old
		if old.retired == 0 {
			byName[old.Name] = old
		}
	}
	for _, wanted := range n.table.Listeners {
		old := byName[wanted.Name]
		if old == nil {
			count := &listenerCount{id: freeNumber(&slots)}
			slots[count.id] = &listenerSlot{Listener: wanted, listenerCount: count, sourceTable: sourceTable{}.follow(wanted, n.room)}
			continue
		}
		delete(byName, wanted.Name)
		if old.Listener != wanted {
			next := &listenerSlot{Listener: wanted, listenerCount: old.listenerCount, sourceTable: old.follow(wanted, n.room)}
			if old.Fallback == wanted.Fallback {
				next.fallback = old.fallback
			}
			slots[old.id] = next
		}
	}
	for _, gone := range byName {
		slots[gone.id] = &listenerSlot{Listener: gone.Listener, listenerCount: gone.listenerCount, sourceTable: gone.sourceTable, fallback: gone.fallback, retired: n.version}
	}
	return slots
}

func (n *live) numberBackends(l *live, seen uint64, told func() bool) []*backendSlot {
	slots := make([]*backendSlot, max(1, len(l.backends)))
	pickable := n.pickable()
	for id, old := range l.backends {
		if old != nil && (old.retired == 0 || old.retired > seen || old.Load.Active() != 0 || pickable[old.Load] || !told()) {
			slots[id] = old
		}
	}
	kept := make([]bool, len(slots))
	for _, pool := range n.table.Pools {
		for _, b := range pool.Backends {
			if b.Load.ID == 0 || int(b.Load.ID) >= len(slots) || slots[b.Load.ID] == nil || slots[b.Load.ID].Load != b.Load {
				b.Load.ID = freeNumber(&slots)
			}
			id := b.Load.ID
			if old := slots[id]; old == nil || old.Backend != b || old.pool != pool || old.retired != 0 {
				slots[id] = &backendSlot{Backend: b, pool: pool}
			}
			if int(id) < len(kept) {
				kept[id] = true
			}
		}
	}
	for id, old := range slots[:len(kept)] {
		if old != nil && !kept[id] && old.retired == 0 {
			slots[id] = &backendSlot{Backend: old.Backend, pool: old.pool, retired: n.version}
		}
	}
	return slots
}

// pickable is the backends that a connection of a listener which has left the
// table may still go on to: it retries in the pool its listener had.
func (n *live) pickable() map[*balancer.Load]bool {
	loads := map[*balancer.Load]bool{}
	for _, slot := range n.listeners {
		if slot != nil && slot.retired != 0 {
			for pool := range slot.pools() {
				for _, b := range pool.Backends {
					loads[b.Load] = true
				}
			}
		}
	}
	return loads
}

// freeNumber is the lowest number that is not taken, and makes room for it.
func freeNumber[T any](slots *[]*T) uint32 {
	for id := 1; id < len(*slots); id++ {
		if (*slots)[id] == nil {
			return uint32(id)
		}
	}
	*slots = append(*slots, nil)
	return uint32(len(*slots) - 1)
}

// listenerOf is a listener by number, nil if nobody has it.
func (l *live) listenerOf(id uint32) *listenerSlot {
	if int(id) >= len(l.listeners) {
		return nil
	}
	return l.listeners[id]
}

// backendOf is a backend by number, nil if nobody has it.
func (l *live) backendOf(id uint32) *backendSlot {
	if int(id) >= len(l.backends) {
		return nil
	}
	return l.backends[id]
}
