package proxy

import (
	"syscall"
	"time"

	"sluice/internal/sys"
	"sluice/proxy/relay"
)

// Timers are lazy: moving bytes writes a time and leaves the timer alone; when
// it fires, the deadline is reckoned anew and, if it is still ahead, armed
// again. Only a deadline that comes nearer moves a timer that is armed.

// deadline is when the conn has waited long enough, 0 for never, and why it
// would end then.
func (w *worker) deadline(slot uint32, c *conn) (int64, Cause) {
	l := w.live.listener(c.listener)
	switch c.phase {
	case inspecting:
		return c.notBeyond(l, c.accepted+int64(l.InspectTimeout), InspectTimedOut)
	case waiting:
		return c.notBeyond(l, c.queuedAt+int64(w.queues[slot].pool.Load().QueueTimeout), QueueTimedOut)
	case sending, lingering:
		return c.fallbackDeadline(), c.cause
	case connecting:
		return c.notBeyond(l, c.connectAt+int64(w.live.backend(c.backendID).pool.ConnectTimeout), ConnectTimedOut)
	case breaking:
		return c.brokenAt + int64(breakingLimit(l)), c.cause
	}
	at, cause := w.silenceOver(c, l)
	if life := c.lifeOver(l); life != 0 && (at == 0 || life < at) {
		return life, LifetimeOver
	}
	return at, cause
}

// silenceOver is the deadline of a relay without bytes.
func (w *worker) silenceOver(c *conn, l *listenerSlot) (int64, Cause) {
	at, cause := int64(0), IdleTimedOut
	if l.IdleTimeout > 0 {
		at = c.lastMove + int64(l.IdleTimeout)
	}
	limit := l.HalfCloseTimeout
	if c.has(clientReset | backendReset) {
		limit = breakingLimit(l)
	}
	if !c.half() || limit == 0 {
		return at, cause
	}
	if half := c.lastMove + int64(limit); at == 0 || half < at {
		if cause = BackendSilent; c.down.Ended() || c.has(backendReset) {
			cause = ClientSilent
		}
		return half, cause
	}
	return at, cause
}

// lifeOver is when the connection has lasted for max_lifetime, 0: never.
func (c *conn) lifeOver(l *listenerSlot) int64 {
	if l.MaxLifetime == 0 {
		return 0
	}
	return c.accepted + int64(l.MaxLifetime)
}

func (c *conn) notBeyond(l *listenerSlot, at int64, cause Cause) (int64, Cause) {
	if life := c.lifeOver(l); life != 0 && life < at {
		return life, LifetimeOver
	}
	return at, cause
}

// endLife ends a connection that has lasted long enough. One that is at rest ends as
// an idle one does; a FIN to others would call a stream whole that is cut.
func (w *worker) endLife(slot uint32, c *conn) {
	atRest := c.phase == relaying && c.up.Pending() == 0 && c.down.Pending() == 0 && w.now-c.lastMove >= int64(time.Second)
	c.cause, c.errno = LifetimeOver, 0
	w.close(slot, c, !atRest || c.has(clientReset|backendReset))
}

// half reports whether one side has finished, in whatever way.
func (c *conn) half() bool {
	return c.up.Ended() || c.down.Ended() || c.has(clientReset|backendReset)
}

func (w *worker) armDeadline(slot uint32, c *conn) {
	at, _ := w.deadline(slot, c)
	if c.phase == connecting && c.has(dialLater) {
		at = min(at, w.now+int64(again))
	}
	if at != 0 && (!c.timer.armed() || c.timer.deadline > tick(at)) {
		w.wheel.arm(slot, at)
	}
}

// timeout is called when a conn's timer fires.
func (w *worker) timeout(slot uint32, c *conn) {
	if c.phase == breaking {
		w.flush(slot, c)
		return
	}
	if c.phase == relaying {
		w.keepAlive(c)
	}
	at, cause := w.deadline(slot, c)
	if at == 0 || at > w.now {
		if c.phase == connecting && c.has(dialLater) {
			w.dialAgain(slot, c)
			return
		}
		w.armDeadline(slot, c)
		return
	}
	if cause == LifetimeOver {
		w.endLife(slot, c)
		return
	}
	if c.phase == inspecting {
		w.inspectLate(slot, c)
		return
	}
	if c.phase == sending || c.phase == lingering {
		w.fallbackTimeout(slot, c)
		return
	}
	if c.phase == waiting {
		c.blame(QueueTimedOut, 0)
		w.turnAway(slot, c)
		return
	}
	if c.phase == connecting {
		if w.another(slot, c, syscall.ETIMEDOUT) {
			w.connect(slot, c)
		}
		return
	}
	// A FIN would say that the stream is whole: it may be said only if nothing
	// is left over.
	c.blame(cause, 0)
	w.close(slot, c, c.up.Pending() > 0 || c.down.Pending() > 0 || c.has(clientReset|backendReset))
}

// broke goes on when one side of a conn is broken: the other gets what was
// sent before the break, then a reset. Nothing goes to the broken side any
// more.
func (w *worker) broke(slot uint32, c *conn) {
	cause := ClientReset
	last, dead := c.upSide(), c.downSide()
	if !c.has(clientReset) {
		cause = BackendReset
		last, dead = dead, last
	}
	c.blame(cause, syscall.Errno(c.errno))
	if c.bothBroken() {
		w.close(slot, c, true)
		return
	}
	if !dead.Over() {
		w.dropCarrier(c, dead.stream, dead.buffered)
		dead.SinkBroke()
	}
	last.Final()
	if c.brokenAt == 0 {
		c.brokenAt, c.lastMove = w.now, w.now
	}
	switch op := w.pump(slot, c, last); {
	case c.bothBroken():
		w.close(slot, c, true)
	case op == relay.Wait:
		w.armDeadline(slot, c)
	case last.Over():
		w.flush(slot, c)
	default:
		w.later(slot, c)
	}
}

func (c *conn) bothBroken() bool { return c.has(clientReset) && c.has(backendReset) }

// flush ends a conn of which one side is broken once the other has
// acknowledged all it was sent; a reset destroys what is still on its way.
// The kernel has no event for that, so it is asked now and then.
func (w *worker) flush(slot uint32, c *conn) {
	c.phase = breaking
	whole := int(c.client)
	unixSide := c.has(clientUnix)
	if c.has(clientReset) {
		whole, unixSide = int(c.backend), c.has(backendUnix)
	}
	at, _ := w.deadline(slot, c)
	if unixSide || at <= w.now || sys.Unsent(whole) == 0 {
		w.close(slot, c, true)
		return
	}
	w.wheel.arm(slot, min(at, w.now+max((w.now-c.brokenAt)/4, int64(10*time.Millisecond))))
}

// breakingEvent is an event while one side waits for its last bytes to be
// acknowledged: only its own break is news.
func (w *worker) breakingEvent(slot uint32, c *conn, ev sys.Event) {
	if ev.Events&sys.Err == 0 {
		return
	}
	if fromBackend := ev.High&backendSide != 0; fromBackend == c.has(clientReset) {
		w.close(slot, c, true)
	}
}

// breakingLimit is how long the last bytes to a whole side may take.
func breakingLimit(l *listenerSlot) time.Duration {
	if l.HalfCloseTimeout == 0 {
		return time.Minute
	}
	return l.HalfCloseTimeout
}
