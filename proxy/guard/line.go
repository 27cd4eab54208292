package guard

import (
	"sync"
	"sync/atomic"
)

// Line is the queue before a pool, shared by all workers, and the protocol by which
// nobody waits while there is room:
//
//	             full                  called              room
//	comes ---------------> waiting ----------------> trying ----> served
//	  |  or others wait      ^  |                      |  |
//	  |                      |  | leaves               |  | gone meanwhile
//	  | room, nobody waits   +--|---- full after all --+  |
//	  v                         v                         v
//	served                    gone                      gone
//
// Who may not overtake is counted as here until it is served or gone (Crowded). Who
// gives room up does so first and then looks whether somebody is here; who joins is
// here first and then looks whether there is room. One of the two sees the other,
// and calls (Next). Who was called and is done, in whatever way, calls the next one
// if there still is room: so a call that finds its conn gone is not lost.
//
// Join, Next and Leave take a lock; they are for pools that are full.
type Line struct {
	here   atomic.Int64 // waiting or trying
	joined atomic.Uint64
	mutex  sync.Mutex
	queue  queue
}

// Crowded reports whether somebody waits, or tries: then nobody who comes may
// overtake.
func (l *Line) Crowded() bool { return l.here.Load() > 0 }

// Here is how many wait or try.
func (l *Line) Here() int64 { return l.here.Load() }

// Joined is how many have ever come to wait.
func (l *Line) Joined() uint64 { return l.joined.Load() }

// Sources is of how many sources they are.
func (l *Line) Sources() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.queue.sources)
}

// Join has a conn wait, behind those of its source, with at most most waiting. If
// there are too many, out has to go, which may be the one that came: then it is not
// here. Another one that is out is here until its Done.
func (l *Line) Join(source uint64, t Ticket, most int) (out Ticket, full bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	trying := int(l.here.Load()) - l.queue.len() // they may come back
	out, full = l.queue.push(source, t, most-trying, false)
	if !full || out != t {
		l.here.Add(1)
		l.joined.Add(1)
	}
	return out, full
}

// Return has a conn that was called and found nothing wait on, before all others.
func (l *Line) Return(source uint64, t Ticket) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.queue.push(source, t, 0, true)
}

// Next calls whose turn it is: it tries from here on, until Done or Return.
func (l *Line) Next() (Ticket, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.queue.pop()
}

// Done says that one who was called, or is out, is served or gone.
func (l *Line) Done() { l.here.Add(-1) }

// Leave ends the waiting of a conn. It reports false if it has been called.
func (l *Line) Leave(t Ticket) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.queue.remove(t) {
		return false
	}
	l.here.Add(-1)
	return true
}
