package proxy

import (
	"syscall"
	"time"

	"sluice/balancer"
	"sluice/internal/sys"
)

// A client for whom no backend can be had gets its listener's fallback file, if it
// has one, by sendfile(2):
//
//	no backend --> sending -- all is sent: FIN --> lingering --> closed
//	                  |                              |   the client has ended, or
//	                  +-- reset, or takes nothing    |   says nothing any more
//	                      for fallbackStall ---------+-> closed
//
// A close while something is unread would be a reset, and a reset destroys what is
// on its way. So what the client sends is thrown away all along, and the socket is
// kept until the client has ended or is silent. The conn's backend is a descriptor
// of the file, and down.moved where in it the client is: that is what the next process
// goes on by.

const (
	fallbackPiece = 256 << 10        // sent in one turn
	fallbackStall = 30 * time.Second // in which nothing was taken
	lingerSilence = 5 * time.Second  // in which nothing came and nothing was acknowledged
	lingerMost    = time.Minute
)

// fallsBack reports whether a cause is one of those for which there is the fallback.
func (c Cause) fallsBack() bool {
	switch c {
	case NoBackend, BackendsFull, QueueFull, QueueTimedOut, ConnectFailed, ConnectTimedOut:
		return true
	}
	return false
}

// fallBack begins to send the fallback file; false if there is none to be had.
func (w *worker) fallBack(slot uint32, c *conn) bool {
	l := w.live.listener(c.listener)
	if l.fallback == nil || !c.cause.fallsBack() || c.has(clientReset) {
		return false
	}
	fd, e := sys.Dup(l.fallback.fd)
	if e != 0 {
		return false
	}
	if c.phase == waiting {
		w.leaveQueue(slot, c)
	}
	c.flags |= fellBack | backendUnix // it is no TCP socket
	c.backend = int32(fd)
	fault("fallback noted")
	c.phase = sending
	c.tried = balancer.Tried{} // nobody holds those numbers: a reload may give them to others
	c.lastMove = w.now
	w.wheel.disarm(slot)
	w.send(slot, c)
	return true
}

// send sends a piece.
func (w *worker) send(slot uint32, c *conn) {
	w.discard(c)
	n, e := sys.Sendfile(int(c.client), int(c.backend), int64(c.down.moved), fallbackPiece)
	fault("fallback sent")
	switch {
	case e == 0 && n == 0:
		w.linger(slot, c)
	case e == 0:
		c.down.moved += uint64(n)
		c.lastMove = w.now
		w.later(slot, c)
	case e == syscall.EAGAIN:
		if !c.has(clientOut) {
			c.flags |= clientOut
			sys.EpollMod(w.ep, int(c.client), sys.In|sys.Out|sys.RdHup|sys.Pri|sys.Edge, slot, c.generation)
		}
		w.armDeadline(slot, c)
		if c.unread() > 0 { // a client that sends first would never read
			w.later(slot, c)
		}
	default:
		c.errnoOf(e)
		w.close(slot, c, true)
	}
}

// discard throws away what the client has sent. It reports whether the client has
// ended.
func (w *worker) discard(c *conn) (ended bool) {
	if c.has(clientUnix) {
		return w.discardUnix(c)
	}
	for range discardsPerTurn {
		n, e := sys.Discard(int(c.client), 1<<20)
		if n == 0 && e == 0 {
			return true
		}
		if n <= 0 {
			return false
		}
		if c.phase == lingering {
			c.lastMove = w.now
		}
	}
	return false
}

const discardsPerTurn = 4

// discardUnix reads: a unix socket throws nothing away by itself.
func (w *worker) discardUnix(c *conn) (ended bool) {
	var b [4096]byte
	for range discardsPerTurn {
		n, e := sys.Read(int(c.client), b[:])
		if n == 0 && e == 0 {
			return true
		}
		if n <= 0 {
			return false
		}
	}
	return false
}

// linger ends the stream to the client and waits for its end.
func (w *worker) linger(slot uint32, c *conn) {
	c.phase = lingering
	fault("lingering")
	if fd := int(c.backend); fd >= 0 {
		c.backend = -1
		sys.Close(fd)
	}
	c.lastMove, c.brokenAt = w.now, w.now
	sys.ShutdownWrite(int(c.client))
	if w.discard(c) {
		w.close(slot, c, false)
		return
	}
	w.armDeadline(slot, c)
}

// fallbackEvent is an event of the client while it is sent the file.
func (w *worker) fallbackEvent(slot uint32, c *conn, events uint32) {
	if events&sys.Err != 0 {
		c.errnoOf(sys.SocketError(int(c.client)))
		w.close(slot, c, true)
		return
	}
	if c.phase == sending {
		w.send(slot, c)
		return
	}
	ended := w.discard(c)
	switch {
	case ended, events&sys.Hup != 0:
		w.close(slot, c, false) // a FIN of ours that is not acknowledged yet stays with the kernel
	case events&sys.In != 0 && c.unread() > 0:
		w.later(slot, c)
	}
}

// fallbackTurn is the turn of one that stood on the ready list.
func (w *worker) fallbackTurn(slot uint32, c *conn) {
	if c.phase == sending {
		w.send(slot, c)
		return
	}
	w.fallbackEvent(slot, c, sys.In)
}

// fallbackDeadline is when a conn has been sent the file for long enough.
func (c *conn) fallbackDeadline() int64 {
	if c.phase == sending {
		return c.lastMove + int64(fallbackStall)
	}
	return min(c.lastMove+int64(lingerSilence), c.brokenAt+int64(lingerMost))
}

// fallbackTimeout is called when that time has come. A client that still takes what
// was sent gets more of it: the kernel has no event for that, so it is asked.
func (w *worker) fallbackTimeout(slot uint32, c *conn) {
	if c.phase == lingering && !c.has(clientUnix) && c.brokenAt+int64(lingerMost) > w.now {
		if left := uint32(sys.Unsent(int(c.client))); left != 0 && left != c.unsent {
			c.unsent, c.lastMove = left, w.now
			w.armDeadline(slot, c)
			return
		}
	}
	w.discard(c)
	w.close(slot, c, c.phase == sending)
}

// mendFallback makes a conn whole that was being sent the file when the process died.
func (a *adoption) mendFallback(c *conn, file bool) (fault string) {
	c.up.carrier, c.down.carrier = -1, -1
	c.flags &^= upBuffered | downBuffered
	c.backendID = 0
	if c.phase == lingering {
		if c.backend >= 0 && !file {
			c.backend = -1
		}
		return ""
	}
	if !file {
		return "the file that it was sent is gone"
	}
	if c.has(clientUnix) {
		return "it is not known how much of the file it was sent"
	}
	sent, err := given(int(c.client), false)
	if f, e := sys.TCP(int(c.client)); err != nil && e == 0 && (f.State == sys.FinWait1 || f.State == sys.FinWait2) {
		c.phase, c.brokenAt, c.lastMove = lingering, a.clock(), a.clock()
		return ""
	}
	if err != nil {
		return "it has gone"
	}
	c.down.moved = sent
	return ""
}

// resumeFallback goes on with it.
func (w *worker) resumeFallback(slot uint32, c *conn) {
	if c.phase == sending {
		c.lastMove = w.now
		w.later(slot, c)
		return
	}
	w.linger(slot, c)
}
