package proxy

import (
	"sync/atomic"

	"sluice/balancer"
	"sluice/internal/sys"
	"sluice/proxy/guard"
)

// A client for whom every backend is full waits in its pool's line, if the pool has
// a queue: a conn in the phase queued, with its client's socket and nothing else.
// guard.Line has the protocol; here is what its words mean. Of the line nothing is in
// the book: conns that waited when the process died wait anew in the next.

// poolState is what is shared of a pool and stays when a reload changes the rest.
type poolState struct {
	active atomic.Int64 // connections, while there is a limit
	line   guard.Line
	pool   atomic.Pointer[Pool] // as it is now
}

// Queued is what waits before a pool.
type Queued struct {
	Now     int64
	Sources int    // of how many they are
	Ever    uint64 // how many have ever waited
}

// Waiting is what waits for a backend of the pool, which is in force.
func (p *Pool) Waiting() Queued {
	if p.poolState == nil {
		return Queued{}
	}
	return Queued{p.line.Here(), p.line.Sources(), p.line.Joined()}
}

// keepPools gives each pool of the table the state that it had under its name.
func (n *live) keepPools(before *live) {
	was := map[string]*Pool{}
	for _, p := range before.table.Pools {
		was[p.Name] = p
	}
	for _, p := range n.table.Pools {
		if old := was[p.Name]; p.poolState == nil && old != nil {
			p.poolState = old.poolState
		} else if p.poolState == nil { // else it is in force already
			p.poolState = &poolState{}
		}
		p.pool.Store(p)
	}
}

// pickIn picks a backend of a pool that is not full itself.
func (w *worker) pickIn(p *Pool, c *conn) (int, balancer.Verdict) {
	if p.MaxConnections == 0 || c.has(inPool) {
		return p.Balancer.Pick(&w.request)
	}
	if !below(&p.active, p.MaxConnections) {
		if c.tried.Len() > 0 {
			return -1, balancer.AllTried
		}
		return -1, balancer.AllFull
	}
	ref, v := p.Balancer.Pick(&w.request)
	if v == balancer.Picked {
		c.flags |= inPool
	} else {
		p.active.Add(-1)
	}
	return ref, v
}

// adopt counts a conn toward the pool's limit that was not counted yet.
func (p *Pool) adopt(c *conn) {
	if p.poolState != nil && p.pool.Load().MaxConnections > 0 && !c.has(inPool) {
		p.active.Add(1)
		c.flags |= inPool
	}
}

// hasRoom reports whether a conn whose turn it is would find a backend.
func (p *poolState) hasRoom() bool {
	is := p.pool.Load()
	return (is.MaxConnections == 0 || p.active.Load() < is.MaxConnections) && is.Balancer.HasRoom()
}

// roomIn is called when a conn has given up its backend.
func (w *worker) roomIn(p *Pool, c *conn) {
	if p.poolState == nil {
		return // it went with the process before
	}
	if c.has(inPool) {
		c.flags &^= inPool
		p.active.Add(-1)
	}
	if p.line.Crowded() {
		w.server.call(p.poolState)
	}
}

// call has the conn try whose turn it is.
func (s *Server) call(p *poolState) {
	if t, ok := p.line.Next(); ok {
		s.tell(t, func(w *worker) { w.called(t, p) })
	}
}

// tell asks the worker of a ticket.
func (s *Server) tell(t guard.Ticket, ask func(*worker)) {
	s.workers[t.Worker].mail.post(message{kind: answerTo, ask: ask})
}

// callIfRoom is what follows everything after which somebody might wait while there
// is room.
func (s *Server) callIfRoom(p *poolState) {
	if p.line.Crowded() && p.hasRoom() {
		s.call(p)
	}
}

// callQueues is that for a new table.
func (s *Server) callQueues(l *live) {
	for _, p := range l.table.Pools {
		s.callIfRoom(p.poolState)
	}
}

func (w *worker) ticket(slot uint32, c *conn) guard.Ticket {
	return guard.Ticket{Worker: uint32(w.id), Slot: slot, Generation: c.generation}
}

// queue has a conn wait, or turns it away if too many do.
func (w *worker) queue(slot uint32, c *conn, p *Pool) {
	if c.queuedAt == 0 {
		c.queuedAt = w.now
	}
	if c.phase = waiting; c.queuedAt+int64(p.QueueTimeout) <= w.now {
		c.blame(QueueTimedOut, 0)
		w.turnAway(slot, c)
		return
	}
	t := w.ticket(slot, c)
	out, full := p.line.Join(w.sourceOf(slot, c), t, p.Queue)
	if full && out == t {
		c.blame(QueueFull, 0)
		w.turnAway(slot, c)
		return
	}
	if full {
		w.server.tell(out, func(w *worker) { w.displaced(out, p.poolState) })
	}
	c.tried = balancer.Tried{} // as in fallBack
	fault("queued")
	w.waitIn(slot, c, p.poolState)
}

func (w *worker) waitIn(slot uint32, c *conn, p *poolState) {
	w.queues[slot] = p
	w.armDeadline(slot, c)
	w.server.callIfRoom(p)
}

// sourceOf is by whom a conn waits: by address, or network; clients of unix sockets
// are one source.
func (w *worker) sourceOf(slot uint32, c *conn) uint64 {
	from := w.source(slot, c).Addr()
	if !from.IsValid() {
		return 0
	}
	return guard.Key(w.server.seed, from, w.live.listener(c.listener).SourcePrefix)
}

// waits reports whether a ticket is that of a conn which waits there.
func (w *worker) waits(t guard.Ticket, p *poolState) (*conn, bool) {
	c := w.slab.at(t.Slot)
	return c, c.generation == t.Generation && w.queues[t.Slot] == p
}

// called is the turn of a conn that waited.
func (w *worker) called(t guard.Ticket, p *poolState) {
	c, here := w.waits(t, p)
	if here {
		delete(w.queues, t.Slot)
		c.phase = connecting
		pool := w.poolFor(t.Slot, c)
		switch {
		case pool == nil:
			w.turnBack(t.Slot, c, NoRoute)
		case w.tryAgain(t.Slot, c, pool):
			c.phase = waiting
			p.line.Return(w.sourceOf(t.Slot, c), t)
			w.waitIn(t.Slot, c, p)
			return
		}
	}
	p.line.Done()
	w.server.callIfRoom(p)
}

// tryAgain goes on with a conn whose turn it is, unless everything is full after all.
func (w *worker) tryAgain(slot uint32, c *conn, p *Pool) (full bool) {
	w.request = w.requestOf(slot, c, p)
	ref, v := w.pickIn(p, c)
	switch v {
	case balancer.AllFull:
		return true
	case balancer.Picked:
		w.wheel.disarm(slot)
		w.begun(slot, c, p, ref)
	default:
		w.refuse(slot, c, v)
	}
	return false
}

// displaced is the end of a conn that has to make room for one of another source.
func (w *worker) displaced(t guard.Ticket, p *poolState) {
	if c, here := w.waits(t, p); here {
		c.blame(QueueFull, 0)
		w.turnAway(t.Slot, c)
	}
	p.line.Done()
}

// leaveQueue is called when a conn that waits is being closed, or goes elsewhere.
func (w *worker) leaveQueue(slot uint32, c *conn) {
	if p := w.queues[slot]; p != nil {
		delete(w.queues, slot)
		p.line.Leave(w.ticket(slot, c)) // if it has been called, called finds it gone
	}
}

// changeQueues moves the conns that wait in a line which is no longer that of their
// listener's pool.
func (w *worker) changeQueues() {
	for slot, p := range w.queues {
		c := w.slab.at(slot)
		if now := w.poolFor(slot, c); now == nil || now.poolState != p {
			w.leaveQueue(slot, c)
			c.phase = connecting
			w.connect(slot, c)
		}
	}
}

// waitingEvent is an event of the client of a conn that waits. A client that has
// ended and left nothing to be read has gone: its place is free at once. One that has
// sent its whole question and ended may wait for the answer.
func (w *worker) waitingEvent(slot uint32, c *conn, events uint32) {
	switch {
	case events&sys.Err != 0:
		c.blame(QueueLeft, sys.SocketError(int(c.client)))
	case events&(sys.RdHup|sys.Hup) != 0 && c.unread() == 0:
		c.blame(QueueLeft, 0)
	default:
		return
	}
	w.close(slot, c, true)
}

// waited is how long a conn waited for a backend that has ended.
func (c *conn) waited(ended int64) int64 {
	if c.connectAt > c.queuedAt {
		ended = c.connectAt
	}
	return max(1, ended-c.queuedAt)
}
