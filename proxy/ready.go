package proxy

// queue is the list of conns that have more to do than one turn allows, linked
// by conn.next.
type queue struct {
	head, tail uint32
	count      int
	due        int // conns that were on the list when the turn began
}

func (q *queue) empty() bool { return q.head == 0 }

func (q *queue) round() { q.due = q.count }

// later puts a conn at the tail of the ready list.
func (w *worker) later(slot uint32, c *conn) {
	if c.has(queued) {
		return
	}
	c.flags |= queued
	c.next = 0
	if w.ready.tail != 0 {
		w.slab.at(w.ready.tail).next = slot
	} else {
		w.ready.head = slot
	}
	w.ready.tail = slot
	w.ready.count++
}

// runReady gives each conn that was on the list when the turn began one turn.
func (w *worker) runReady() {
	for ; w.ready.due > 0; w.ready.due-- {
		slot := w.ready.head
		c := w.slab.at(slot)
		if w.ready.head = c.next; w.ready.head == 0 {
			w.ready.tail = 0
		}
		w.ready.count--
		c.flags &^= queued
		if c.phase == closed {
			w.slab.give(slot)
			w.load.Store(int32(w.slab.live))
			continue
		}
		if c.phase == sending || c.phase == lingering {
			w.fallbackTurn(slot, c)
			continue
		}
		w.relay(slot, c)
	}
}
