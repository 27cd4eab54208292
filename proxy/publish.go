package proxy

import (
	"errors"
	"fmt"

	"sluice/internal/sys"
)

// Opening holds sockets that are open but not yet accepted from, and fallback files.
type Opening struct {
	doors []*door
	files map[string]*fallbackFile // by listener
}

// Open opens the sockets that t needs and the table in force has not. Nothing
// is accepted from them before Publish; Close gives them back.
func (s *Server) Open(t *Table) (*Opening, error) {
	in := s.live.Load()
	o := &Opening{files: map[string]*fallbackFile{}}
	errs := in.openFallbacks(t, o)
	for _, p := range t.Pools {
		if err := p.From.allowed(); err != nil {
			errs = append(errs, fmt.Errorf("pool %s: %w", p.Name, err))
		}
	}
	for _, l := range t.Listeners {
		told := false
		for _, key := range t.keys(l) {
			d, err := in.doorOf(key), error(nil)
			if d == nil {
				if d, err = newDoor(l, key, in.rivals(key.address)); err == nil {
					o.doors = append(o.doors, d)
					if told {
						d.noMPTCP = 0
					}
					told = told || d.noMPTCP != 0
				}
			}
			if err == nil {
				err = d.suits(&l.Socket)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("listener %s: %w", l.Name, err))
			}
		}
	}
	if len(errs) > 0 {
		o.Close()
		return nil, errors.Join(errs...)
	}
	return o, nil
}

// Close closes what was opened, unless it was published.
func (o *Opening) Close() {
	for _, d := range o.doors {
		d.shut()
	}
	for _, f := range o.files {
		sys.Close(f.fd)
	}
	o.doors, o.files = nil, nil
}

// Publish puts t in force: what o opened begins to accept, listeners that t
// does not have are closed, live connections go on. o may be nil when t listens
// where the table in force does. When it returns, addresses that t does not
// have are free. After Shutdown has begun it does nothing.
func (s *Server) Publish(t *Table, o *Opening) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.draining.Load() {
		if o != nil {
			o.Close()
		}
		return
	}
	if s.past != nil && !s.begun.Load() {
		s.live.Load().take(t)
	}
	s.publish(t, o)
	if s.past != nil && !s.begun.Load() && s.free != nil {
		s.adopt()
		s.free = nil
	}
	fault("adopting")
	s.book.complete(true)
	fault("adopted")
}

func (s *Server) publish(t *Table, o *Opening) {
	before := s.live.Load()
	after := before.succeed(t, s.seen(), s.allTold)
	added, removed := after.placeDoors(before, o)
	stale := after.placeFallbacks(before, o)
	for _, d := range append(added, removed...) {
		d.holders.Store(int32(len(s.workers)))
	}
	if s.writeRoll(after) != nil {
		s.book.complete(false) // who the numbers are is not known to the next process
	}
	s.live.Store(after)
	s.post(message{kind: newLive})
	s.countAnew(before, after)
	s.callQueues(after)
	s.dropFallbacks(stale)
	for _, d := range added {
		s.post(message{kind: openDoor, door: d})
	}
	for _, d := range removed {
		s.post(message{kind: closeDoor, door: d})
	}
	if !s.begun.Load() {
		s.leaving = removed
		return
	}
	for _, d := range removed {
		<-d.gone
	}
}

// seen is the oldest version of live that a worker may still use.
func (s *Server) seen() uint64 {
	oldest := ^uint64(0)
	for _, w := range s.workers {
		oldest = min(oldest, w.seen.Load())
	}
	return oldest
}

// allTold reports whether everything that workers have said so far was told.
func (s *Server) allTold() bool {
	for _, w := range s.workers {
		if !w.ring.empty() {
			return false
		}
	}
	return true
}

// placeDoors gives each door of before that is still wanted, and each that was
// opened, its listener.
func (n *live) placeDoors(before *live, o *Opening) (added, removed []*door) {
	wanted := map[doorKey]*listenerSlot{}
	for _, slot := range n.listeners {
		if slot != nil && slot.retired == 0 {
			for _, key := range n.table.keys(slot.Listener) {
				wanted[key] = slot
			}
		}
	}
	if o != nil {
		added, o.doors = o.doors, nil
	}
	owners := map[*door]*listenerSlot{}
	for _, d := range added {
		owners[d] = wanted[d.doorKey]
		delete(wanted, d.doorKey)
	}
	n.doors = make([]*door, len(before.doors))
	n.owners = make([]*listenerSlot, len(before.doors))
	for id, d := range before.doors {
		if d == nil {
			continue
		}
		slot := wanted[d.doorKey]
		if slot == nil {
			d.last = before.owners[id]
			removed = append(removed, d)
			continue
		}
		n.doors[id], n.owners[id] = d, slot
		if before.owners[id].Listener != slot.Listener {
			sys.Listen(d.fd, slot.Backlog)
			if d.address.Unix == "" {
				slot.Socket.reapply(d.fd) // what is accepted from now on inherits it
			}
		}
	}
	for _, d := range added {
		d.id = freeNumber(&n.doors)
		for len(n.owners) < len(n.doors) {
			n.owners = append(n.owners, nil)
		}
		n.doors[d.id], n.owners[d.id] = d, owners[d]
	}
	return added, removed
}

// Bound is where a listener of the table in force accepts: its addresses with
// the ports the kernel chose.
func (s *Server) Bound(listener string) (bound []Address) {
	in := s.live.Load()
	for id, d := range in.doors {
		if d != nil && in.owners[id].Name == listener {
			bound = append(bound, d.bound())
		}
	}
	return bound
}
