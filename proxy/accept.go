package proxy

import (
	"sync/atomic"
	"syscall"
	"time"

	"sluice/internal/sys"
)

// retryAfter is how long accepting pauses when it failed and nothing here
// tells when it may succeed again: another process may free what is short.
const retryAfter = 100 * time.Millisecond

// pausedDoor is a door that this worker does not accept from for the time
// being.
type pausedDoor struct {
	door  *door
	owner *listenerSlot // as it was told
	errno syscall.Errno // what failed; 0: a limit is reached
	any   int64         // 1 if the end of any connection may help, 0 if only of the owner's
}

// openDoor begins to accept. The door is level-triggered: one client is taken
// an event, and the event comes again while others wait, to whichever worker
// is idle.
func (w *worker) openDoor(d *door) {
	if w.resting.Load() {
		return // backToDoors will
	}
	if e := sys.EpollAdd(w.ep, d.fd, sys.In|sys.Exclusive, d.id, 0); e != 0 && e != syscall.EEXIST {
		w.notice(NoticeAcceptFailed, d.owner(w.live), e)
		w.pause(d, e)
	}
}

// closeDoor ends accepting. The last worker serves who waits in the queue, as
// far as the limits allow: the kernel has told them that they are connected.
func (w *worker) closeDoor(d *door) {
	for i, p := range w.paused {
		if p.door == d {
			w.resumed(p)
			w.paused = append(w.paused[:i], w.paused[i+1:]...)
			break
		}
	}
	sys.EpollDel(w.ep, d.fd)
	if d.holders.Add(-1) > 0 {
		return
	}
	l := d.owner(w.live)
	for range l.Backlog + 1 { // clients may come faster than this
		if !w.admit(l) {
			break
		}
		if e := w.take(d, l); e != 0 && !ofTheClient(e) {
			break
		}
	}
	d.shut()
	close(d.gone)
}

// accept takes one client, if limits allow. It never ends on an error: a
// client that went away is not one, and what would fail again at once pauses
// the door.
func (w *worker) accept(d *door) {
	l := d.owner(w.live)
	if !w.admit(l) {
		w.pause(d, 0)
		return
	}
	w.scarce = 0
	switch e := w.take(d, l); {
	case e == 0 && w.scarce != 0:
		w.pause(d, w.scarce)
	case e == 0:
		w.restAfterAccept()
	case e == syscall.EAGAIN:
	case ofTheClient(e):
		w.count.acceptFails.add(1)
	default:
		w.count.acceptFails.add(1)
		w.pause(d, e)
	}
}

// ofTheClient reports whether an accept failed for a reason that says nothing
// about the next one: errors of that connection, or of a firewall (accept(2)).
func ofTheClient(e syscall.Errno) bool {
	switch e {
	case syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.ENONET,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM:
		return true
	}
	return false
}

// take accepts a client that was admitted.
func (w *worker) take(d *door, l *listenerSlot) syscall.Errno {
	fd, e := sys.Accept(d.fd, &w.client)
	if e != 0 {
		w.dismiss(l)
		return e
	}
	fault("accepted")
	w.byMultipath = d.multipath && sys.Multipath(fd)
	w.enter(fd, l)
	return 0
}

// admit counts one more connection unless that would exceed the listener's
// limit or that of all. Counting before accepting is what makes the limits
// exact between workers.
func (w *worker) admit(l *listenerSlot) bool {
	if !below(&w.server.active, w.server.limit) {
		return false
	}
	if l.MaxConnections == 0 {
		l.active.Add(1)
	} else if !below(&l.active, l.MaxConnections) {
		w.server.leave()
		return false
	}
	return true
}

// below adds one to n unless n is at its limit. It never goes above, not even
// for a moment: one refusal would cause another.
func below(n *atomic.Int64, limit int64) bool {
	for was := n.Load(); was < limit; was = n.Load() {
		if n.CompareAndSwap(was, was+1) {
			return true
		}
	}
	return false
}

// dismiss takes back one admit.
func (w *worker) dismiss(l *listenerSlot) {
	l.active.Add(-1)
	w.server.leave()
	if l.paused.Load() > 0 || w.server.paused.Load() > 0 {
		w.freed = true
	}
}

// begin makes a conn of an accepted socket. w.client says whose it is,
// w.byMultipath what it speaks, and counted in which table of sources it is.
func (w *worker) begin(fd int, l *listenerSlot, counted uint8) {
	slot, c, generation := w.slab.take()
	w.load.Store(int32(w.slab.live))
	c.client, c.backend = int32(fd), -1
	c.listener = l.id
	c.accepted, c.lastMove, c.counted = w.now, w.now, counted
	c.up.init()
	c.down.init()
	c.setClient(&w.client)
	if l.Relay == Copy {
		c.flags |= copied
	}
	if w.byMultipath {
		c.flags |= clientMPTCP
		w.count.multipath.add(1)
	}
	c.phase = connecting
	if l.inspects() {
		w.cardOf(slot, c).admitted = !l.awaits(c.clientAddress().Addr())
		c.phase = inspecting
	}
	fault("slot taken")
	c.generation = generation
	fault("conn noted")
	w.count.accepted.add(1)
	if e := sys.EpollAdd(w.ep, fd, sys.In|sys.RdHup|sys.Pri|sys.Edge, slot, c.generation); e != 0 {
		c.blame(NoDescriptor, e)
		w.close(slot, c, true)
		return
	}
	if c.phase == inspecting {
		w.inspect(slot, c, l)
		return
	}
	w.connect(slot, c)
}

// pause stops accepting at a door: at the listener's limit until one of its
// connections ends, at the limit of all until any does, and where a system call
// failed also until a while has passed. Clients wait in the kernel's queue.
func (w *worker) pause(d *door, e syscall.Errno) {
	sys.EpollDel(w.ep, d.fd)
	p := pausedDoor{door: d, owner: d.owner(w.live), errno: e}
	if p.owner.paused.Add(1) == 1 {
		w.count.paused.add(1)
		w.notice(NoticePaused, p.owner, e)
	}
	w.stay(p)
	if e != 0 {
		w.houseBy(retryAfter)
	}
}

// stay leaves a door paused, and counts whose end it waits for.
func (w *worker) stay(p pausedDoor) {
	anyHelps := int64(1)
	if l := p.owner; p.errno == 0 && l.MaxConnections != 0 && l.active.Load() >= l.MaxConnections {
		anyHelps = 0
	}
	w.server.paused.Add(anyHelps - p.any)
	p.any = anyHelps
	w.paused = append(w.paused, p)
	if p.errno == 0 && w.server.hasRoom(p.owner) {
		w.houseBy(0) // what it waits for came before it was counted
	}
}

// unpause accepts again at the paused doors for which there is room now. If
// the reason still holds, the next client pauses the door anew.
func (w *worker) unpause() {
	was := w.paused
	w.paused = nil
	for _, p := range was {
		if w.server.hasRoom(p.door.owner(w.live)) {
			w.resumed(p)
			w.openDoor(p.door)
		} else {
			w.stay(p)
		}
	}
}

// resumed takes back one pause.
func (w *worker) resumed(p pausedDoor) {
	w.server.paused.Add(-p.any)
	if p.owner.paused.Add(-1) == 0 {
		w.notice(NoticeResumed, p.owner, 0)
	}
}
