package proxy

import (
	"fmt"

	"sluice/internal/sys"
)

// Carried says what came over from the process before.
type Carried struct {
	Connections int      // go on
	Reset       int      // could not, and are reset
	Accepted    int      // of Connections: had been accepted and were not yet noted
	Closed      int      // descriptors that were nobody's
	Why         []string // what was lost or not understood, in words
}

// whyMost is how many words Carried keeps.
const whyMost = 32

// adoption makes the new book of an old one, before any worker runs. Nothing that
// it does is seen outside the process, so if it is cut short the next one begins at
// the same place. What has to be done to the world is left to arrive.
//
// The record says what the process meant to do, the kernel what became of it. So
// each descriptor has at most one claim: conns that are not being closed come
// first, since what they name is theirs for certain; then conns in the middle of
// a close, whose numbers may have been given to others; then what is left over.
type adoption struct {
	*Server
	past    *Past
	in      *live
	free    map[int]bool // inherited descriptors that nobody has claimed
	closing []pastConn
	named   map[int32]int // descriptors that conns name which are not being closed: how often
	carried Carried

	taken, given uint64 // of the conn that is mended, see card.ahead
}

// pastConn is a conn of the book before.
type pastConn struct {
	conn
	worker, slot int
	doubtful     bool // its record makes no sense
}

func (s *Server) adopt() {
	a := &adoption{Server: s, past: s.past, in: s.live.Load(), free: s.free}
	a.why(a.past.differs()...)
	lacks := a.past.lacks()
	for _, name := range lacks {
		a.why("without " + name + " no connection can be carried")
	}
	a.countNames()
	for i := range a.past.layout.Shape.Workers {
		w := s.workers[i%len(s.workers)]
		a.page(w, i)
		a.ring(w, i)
		a.conns(w, i, len(lacks) == 0)
	}
	for _, old := range a.closing {
		a.finish(s.workers[old.worker%len(s.workers)], old)
	}
	for _, w := range s.workers {
		w.load.Store(int32(w.slab.live))
		w.countAccepted()
	}
	a.leftOver()
	s.copyBlobs()
	s.carried = a.carried
}

func (a *adoption) why(words ...string) {
	for _, word := range words {
		if len(a.carried.Why) < whyMost {
			a.carried.Why = append(a.carried.Why, word)
		}
	}
}

// claim takes a descriptor for somebody. It reports false if it is not there, or
// taken.
func (a *adoption) claim(fd int) bool {
	if fd < 0 || !a.free[fd] {
		return false
	}
	delete(a.free, fd)
	sys.CloseOnExec(fd)
	return true
}

// page adds the counts of old worker i to those of w.
func (a *adoption) page(w *worker, i int) {
	old, _ := pastOf[page](a.past, "page", i, 0)
	was, now := old.count.all(), w.count.all()
	for k := range now {
		now[k].add(was[k].n.Load())
	}
	w.ring.dropped.Add(old.marks.dropped.Load())
}

// countAccepted counts the connection that was noted and not yet counted: whoever is
// here or has ended has been accepted.
func (w *worker) countAccepted() {
	known := uint64(0)
	for cause := range causes {
		known += w.count.closed[cause].n.Load()
	}
	for slot := uint32(1); slot <= w.slab.page.used; slot++ {
		if c := w.slab.at(slot); c.generation != 0 && c.phase != counted {
			known++
		}
	}
	if n := w.count.accepted.n.Load(); n < known {
		w.count.accepted.add(known - n)
	}
}

// ring takes over what was not told yet.
func (a *adoption) ring(w *worker, i int) {
	old, _ := pastOf[page](a.past, "page", i, 0)
	size := uint64(a.past.layout.Ring)
	head, tail := old.marks.head.Load(), old.marks.tail.Load()
	if size == 0 || tail-head > size {
		return
	}
	for n := head; n != tail; n++ {
		t, known := pastOf[told](a.past, "told", i, int(n%size))
		if !known || t.kind >= toldKinds || t.cause >= causes || a.in.listenerOf(t.listener) == nil && t.kind != toldFailure || t.backend != 0 && a.in.backendOf(t.backend) == nil {
			w.ring.dropped.Add(1)
			continue
		}
		if e := w.ring.slot(); e != nil {
			*e = t
			e.slot = 0 // of no conn in this book
			w.ring.put()
		}
	}
}

// wasTold reports whether the last thing that old worker i told of was the end of
// this conn.
func (a *adoption) wasTold(old pastConn) bool {
	page, _ := pastOf[page](a.past, "page", old.worker, 0)
	tail, size := page.marks.tail.Load(), uint64(a.past.layout.Ring)
	if tail == 0 || size == 0 {
		return false
	}
	t, _ := pastOf[told](a.past, "told", old.worker, int((tail-1)%size))
	return t.kind == toldRecord && t.slot == uint32(old.slot) && t.generation == old.generation
}

func (a *adoption) conns(w *worker, i int, readable bool) {
	for slot := 1; slot <= a.used(i); slot++ {
		c, known := pastOf[conn](a.past, "conn", i, slot)
		was := pastConn{conn: c, worker: i, slot: slot}
		switch {
		case !readable:
			a.unreadable(w, c)
		case c.generation == 0:
		case !known:
			a.doubtful(was, "its record has a meaning that is not known")
		case c.phase == closed: // it is over, and was about to leave the ready list
		case a.nonsense(&was) != "":
			a.doubtful(was, a.nonsense(&was))
		case c.phase == closing || c.phase == counted:
			a.closing = append(a.closing, was)
		default:
			a.conn(w, was)
		}
	}
}

// unreadable condemns what can be made out of a conn of which not enough is known.
func (a *adoption) unreadable(w *worker, c conn) {
	if c.generation == 0 {
		return
	}
	a.lost(w)
	a.condemn(int(c.client))
	a.condemn(int(c.backend))
}

// condemn has a descriptor closed with a reset by whoever closes what is left over.
func (a *adoption) condemn(fd int) {
	if fd > 2 && a.free[fd] && sys.KindOf(fd) == sys.SocketKind {
		a.free[fd] = false
	}
}

// conn takes over a conn that is not being closed.
func (a *adoption) conn(w *worker, old pastConn) {
	c := old.conn
	l := a.in.listenerOf(c.listener)
	client := a.claim(int(c.client))
	if !client || l == nil {
		a.why(fmt.Sprintf("a connection of listener %d: its descriptor %d or its listener is gone", c.listener, c.client))
		a.lost(w)
		if client {
			a.free[int(c.client)] = false
		}
		a.condemn(int(c.backend))
		return
	}
	backend := a.claim(int(c.backend))
	if !backend {
		c.backend = -1
	}
	fault := a.mend(w, &old, &c)
	if (c.phase == relaying || c.phase == breaking) && (!backend || c.backendID == 0) {
		fault = "its backend is gone"
	}
	if fault != "" {
		a.why(fmt.Sprintf("a connection of listener %s from %s is reset: %s", l.Name, c.clientAddress(), fault))
		a.carried.Reset++
		c.cause, c.errno = Internal, 0
		c.phase = closing
		c.flags |= resetting
	} else {
		a.carried.Connections++
	}
	a.settle(w, l, &old, c)
}

// card is what else was known of a conn; the zero value if nothing was, or nothing
// that makes sense.
func (a *adoption) card(old *pastConn) (k card) {
	if old.has(carded) {
		known := false
		if k, known = pastOf[card](a.past, "card", old.worker, old.slot); !known || k.fault() != "" {
			k.clear()
		}
	}
	return k
}

// settle puts a conn into the slab of its new worker and counts it.
func (a *adoption) settle(w *worker, l *listenerSlot, old *pastConn, c conn) {
	slot, to, generation := w.slab.take()
	if slot == 0 { // fewer slots than before
		a.lost(w)
		a.free[int(c.client)] = false
		if c.backend >= 0 {
			a.free[int(c.backend)] = false
		}
		w.dropCarriers(&c)
		return
	}
	c.generation = 0
	*to = c
	if c.has(carded) {
		*w.slab.card(slot) = a.card(old)
	}
	w.restore(slot, to, l)
	to.generation = generation
	a.active.Add(1)
	l.active.Add(1)
	if c.backendID != 0 {
		b := a.in.backend(c.backendID)
		b.Load.Acquire(0)
		b.pool.adopt(to)
	}
}
