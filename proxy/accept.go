package proxy

import (
	"syscall"
	"time"

	"sluice/internal/sys"
)

// retryAfter is how long accepting pauses when it failed and nothing here
// tells when it may succeed again: another process may free what is short.
const retryAfter = 100 * time.Millisecond

// openDoor begins to accept. The door is level-triggered: one client is taken
// an event, and the event comes again while others wait, to whichever worker
// is idle.
func (w *worker) openDoor(d *door) {
	if e := sys.EpollAdd(w.ep, d.fd, sys.In|sys.Exclusive, d.id, 0); e != 0 {
		w.notice(NoticeAcceptFailed, d.owner(w.live), e)
	}
}

// closeDoor ends accepting. The last worker serves who waits in the queue:
// the kernel has told them that they are connected.
func (w *worker) closeDoor(d *door) {
	for i, p := range w.paused {
		if p == d {
			w.resumed(d)
			w.paused = append(w.paused[:i], w.paused[i+1:]...)
			break
		}
	}
	sys.EpollDel(w.ep, d.fd)
	if d.holders.Add(-1) > 0 {
		return
	}
	for l := d.owner(w.live); w.admit(l) && w.take(d, l) == 0; {
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
	switch e := w.take(d, l); e {
	case 0, syscall.EAGAIN:
	case syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.ENONET,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM:
		// Errors of that connection, or of a firewall, see accept(2).
		w.count.acceptFails.add(1)
	default:
		w.count.acceptFails.add(1)
		w.pause(d, e)
	}
}

// take accepts a client that was admitted.
func (w *worker) take(d *door, l *listenerSlot) syscall.Errno {
	fd, e := sys.Accept(d.fd, &w.peer)
	if e != 0 {
		w.dismiss(l)
		return e
	}
	w.count.accepted.add(1)
	w.begin(fd, l)
	return 0
}

// admit counts one more connection unless that would exceed the listener's
// limit or that of all. Counting first is what makes the limits exact between
// workers.
func (w *worker) admit(l *listenerSlot) bool {
	if n := w.server.active.Add(1); n > w.server.limit {
		w.server.active.Add(-1)
		return false
	}
	if n := l.active.Add(1); l.MaxConnections > 0 && n > l.MaxConnections {
		w.dismiss(l)
		return false
	}
	return true
}

// dismiss takes back one admit.
func (w *worker) dismiss(l *listenerSlot) {
	l.active.Add(-1)
	w.server.leave()
}

// begin makes a conn of an accepted socket.
func (w *worker) begin(fd int, l *listenerSlot) {
	slot, c := w.slab.take()
	if c == nil {
		// Unreachable while every slab has room for all connections.
		sys.Close(fd)
		w.dismiss(l)
		return
	}
	c.client, c.backend = int32(fd), -1
	c.listener = l.id
	c.accepted, c.lastMove = w.now, w.now
	c.up.init()
	c.down.init()
	c.setClient(&w.peer)
	if l.Relay == Copy {
		c.flags |= copied
	}
	if e := sys.EpollAdd(w.ep, fd, sys.In|sys.RdHup|sys.Pri|sys.Edge, slot, c.generation); e != 0 {
		c.blame(NoDescriptor, e)
		w.close(slot, c, true)
		return
	}
	w.connect(slot, c)
}

// pause stops accepting at a door until a connection ends; if a system call
// failed, also until a while has passed. Clients wait in the kernel's queue.
func (w *worker) pause(d *door, e syscall.Errno) {
	sys.EpollDel(w.ep, d.fd)
	w.paused = append(w.paused, d)
	l := d.owner(w.live)
	if l.paused.Add(1) == 1 {
		w.count.paused.add(1)
		w.notice(NoticePaused, l, e)
	}
	w.server.paused.Add(1)
	if e != 0 {
		w.keepHouse(retryAfter)
		return
	}
	// The last connection may have ended between the count and the pause, too
	// early to see that somebody waits.
	if w.server.hasRoom(l) {
		w.keepHouse(0)
	}
}

// unpause accepts again at every paused door. If the reason still holds, the
// next client pauses it anew.
func (w *worker) unpause() {
	for _, d := range w.paused {
		w.resumed(d)
		w.openDoor(d)
	}
	w.paused = w.paused[:0]
}

func (w *worker) resumed(d *door) {
	w.server.paused.Add(-1)
	if l := d.owner(w.live); l.paused.Add(-1) == 0 {
		w.notice(NoticeResumed, l, 0)
	}
}
