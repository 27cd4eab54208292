package proxy

import (
	"net/netip"

	"sluice/internal/sys"
)

// The guards of a listener are asked right after accept, before a slot or a
// backend is taken: who is turned away costs an accept and a close. Only where a
// PROXY header is to say on whose behalf a client speaks, they are asked when it
// has been read.

// guarded reports whether a listener has a guard at all.
func (l *Listener) guarded() bool { return l.ACL != nil || l.Rate.Limited() || l.bySource() }

// enter lets an accepted client in, or turns it away. w.client says whose the
// socket is.
func (w *worker) enter(fd int, l *listenerSlot) {
	counted := uint8(0)
	if from := w.client.AddrPort().Addr(); l.guarded() && !l.awaits(from) {
		var why Cause
		if why, counted = w.guard(l, from); why != Completed {
			w.shutOut(fd, l, why)
			return
		}
	}
	w.begin(fd, l, counted)
}

// guard is why a client from an address may not come in; Completed if it may. A
// unix socket has no address, and is always let in. counted is the table of sources
// in which the client is now; 0: none.
func (w *worker) guard(l *listenerSlot, from netip.Addr) (why Cause, counted uint8) {
	if from.IsValid() {
		if !l.ACL.Admits(from) {
			return Denied, 0
		}
		if why, counted = l.enterSource(from, w.now); why != Completed {
			return why, 0
		}
	}
	if l.Rate.Limited() && !l.rate.Take(l.Rate, w.now) {
		l.leave(counted, from)
		return RateLimited, 0
	}
	return Completed, counted
}

// admitted asks the guards about a conn whose source a PROXY header has told.
func (w *worker) admitted(slot uint32, c *conn, k *card) bool {
	if l := w.live.listener(c.listener); l.guarded() {
		why, counted := w.guard(l, w.source(slot, c).Addr())
		if why != Completed {
			w.turnBack(slot, c, why)
			return false
		}
		c.counted = counted
	}
	k.admitted = true
	return true
}

// shutOut ends a socket that is no conn yet. It is closed before it is counted,
// and counted as closed before as accepted: whoever finds the book after a crash
// can make the counts whole.
func (w *worker) shutOut(fd int, l *listenerSlot, why Cause) {
	tcp := w.client.AddrPort().IsValid()
	switch {
	case tcp && l.Reject == RejectReset:
		resetOnClose(fd, w.byMultipath)
	case tcp:
		sys.ShutdownWrite(fd)
		sys.Discard(fd, 1<<20)
	}
	sys.Close(fd)
	w.count.closed[why].add(1)
	fault("refused")
	w.count.accepted.add(1)
	w.dismiss(l)
	w.refuseAtDoor(l, why)
}
