package proxy

import (
	"syscall"
	"time"

	"sluice/internal/sys"
	"sluice/proxy/relay"
)

// side is one direction of a conn with all that its shell needs to know: from
// where, to where, and how its flags are called.
type side struct {
	*stream
	source, sink int
	sourceUnix   bool
	sourceBroken flags // set when the source is broken
	sinkBroken   flags
	sinkOut      flags // set when the sink is registered for OUT
	buffered     flags // set when the carrier is a buffer
	fromClient   bool  // the source is the client
}

func (c *conn) upSide() side {
	return side{&c.up, int(c.client), int(c.backend), c.has(clientUnix), clientReset, backendReset, backendOut, upBuffered, true}
}

func (c *conn) downSide() side {
	return side{&c.down, int(c.backend), int(c.client), c.has(backendUnix), backendReset, clientReset, clientOut, downBuffered, false}
}

func (w *worker) clientEvent(slot uint32, c *conn, events uint32) {
	w.latch(&c.up, events)
	if events&(sys.Out|sys.Err|sys.Hup) != 0 {
		c.down.Writable()
	}
	switch c.phase {
	case waiting:
		w.waitingEvent(slot, c, events)
		return
	case sending, lingering:
		w.fallbackEvent(slot, c, events)
		return
	}
	if events&sys.Err != 0 {
		if c.phase == connecting {
			e := sys.SocketError(int(c.client))
			fault("client aborted")
			w.abort(slot, c, e)
			return
		}
		c.flags |= clientReset
	}
	if c.phase == relaying {
		w.relay(slot, c)
	}
}

// abort ends a conn whose client has reset before a backend was connected.
func (w *worker) abort(slot uint32, c *conn, e syscall.Errno) {
	c.cause = Completed // the failure of an earlier connect is not why it ends
	c.blame(ClientAborted, e)
	w.close(slot, c, true)
}

func (w *worker) backendEvent(slot uint32, c *conn, events uint32) {
	w.latch(&c.down, events)
	if events&(sys.Out|sys.Err|sys.Hup) != 0 {
		c.up.Writable()
	}
	if events&sys.Err != 0 {
		c.flags |= backendReset
	}
	w.relay(slot, c)
}

// latch tells a flow what an event says of its source.
func (w *worker) latch(s *stream, events uint32) {
	if events&sys.Pri != 0 {
		s.Marked()
	}
	if events&(sys.RdHup|sys.Err|sys.Hup) != 0 {
		s.Final()
	} else if events&sys.In != 0 {
		s.Readable()
	}
}

// fillsPerTurn is how many times a flow may fill before others have their turn.
// More are no cheaper: while the others are served, what comes makes the next
// fill larger.
const fillsPerTurn = 1

// relay gives both directions of a conn a turn and looks at what became of
// it.
func (w *worker) relay(slot uint32, c *conn) {
	c.up.Turn(fillsPerTurn)
	c.down.Turn(fillsPerTurn)
	up := w.pump(slot, c, c.upSide())
	down := w.pump(slot, c, c.downSide())
	if c.has(clientReset | backendReset) {
		w.broke(slot, c)
		return
	}
	if c.up.Doubted() || c.down.Doubted() {
		w.doubt(slot, c)
	}
	switch {
	case up == relay.Done && down == relay.Done:
		w.close(slot, c, false)
	case up == relay.Yield || down == relay.Yield:
		w.later(slot, c)
	case up == relay.Done || down == relay.Done:
		w.armDeadline(slot, c)
	}
}

// hurried reports whether bulk has to make way: several conns want a turn, and
// short messages came a short while ago. Bulk transfers among themselves have
// nothing to gain from shorter fills.
func (w *worker) hurried() bool { return w.crowd > 1 && w.now-w.shortAt < int64(hurry) }

// hurry is how long after a short message more are expected.
const hurry = 10 * time.Millisecond

// pump does what a flow asks for until it has to wait, has used up its turn,
// or is done.
func (w *worker) pump(slot uint32, c *conn, s side) relay.Op {
	for {
		switch op := s.Next(); op {
		case relay.Fill:
			w.fill(c, s)
		case relay.Drain:
			w.drain(slot, c, s)
		case relay.Hop:
			w.hop(slot, c, s)
		case relay.Shut:
			w.finish(c, s)
		default:
			return op
		}
	}
}

// finish ends the sink's stream. A source that was cut off has not ended, it
// is broken; and when the other direction has ended already, close(2) says
// the same as shutdown(2).
func (w *worker) finish(c *conn, s side) {
	if c.has(s.sourceBroken) {
		s.SourceBroke()
		return
	}
	c.lastMove = w.now
	if other := c.other(s.stream); !other.Over() {
		if e := sys.ShutdownWrite(s.sink); e != 0 && e != syscall.ENOTCONN {
			c.blame(Internal, e)
		}
	}
	fault("shut")
	s.ShutDone()
}

func (c *conn) other(s *stream) *stream {
	if s == &c.up {
		return &c.down
	}
	return &c.up
}

// sourceEmpty is told when a read of the source says EAGAIN. It does so before
// an urgent byte too, whatever is behind it.
func (w *worker) sourceEmpty(s side) {
	if s.AtMark() && sys.AtMark(s.source) {
		s.SourceUrgent()
		return
	}
	s.SourceEmpty()
}

// sourceEnded is told when a read of the source returns 0: its end, or again
// an urgent byte in the way. An event that told of the end, and none that told
// of an urgent byte, is certainty; else the kernel is asked.
func (w *worker) sourceEnded(c *conn, s side) {
	if !s.EndIsCertain() && sys.AtMark(s.source) {
		s.SourceUrgent()
		return
	}
	fault("source ended")
	s.SourceEnded()
	c.lastMove = w.now
}

func (w *worker) sourceBroke(c *conn, s side, e syscall.Errno) {
	fault("source broke")
	c.flags |= s.sourceBroken
	c.errnoOf(e)
	s.SourceBroke()
}

// sinkBroke drops the bytes that will reach nobody. What the other side still
// has to say, said before it broke, is read to its end.
func (w *worker) sinkBroke(c *conn, s side, e syscall.Errno) {
	fault("sink broke")
	c.flags |= s.sinkBroken
	c.errnoOf(e)
	w.dropCarrier(c, s.stream, s.buffered)
	s.SinkBroke()
	c.other(s.stream).Final()
}

// sinkFull waits for room: OUT is registered when it is first needed.
func (w *worker) sinkFull(slot uint32, c *conn, s side) {
	s.SinkFull()
	if c.has(s.sinkOut) {
		return
	}
	c.flags |= s.sinkOut
	half := c.generation
	if s.stream == &c.up {
		half |= backendSide
	}
	sys.EpollMod(w.ep, s.sink, sys.In|sys.Out|sys.RdHup|sys.Pri|sys.Edge, slot, half)
}

// moved notes that n bytes reached the sink.
func (w *worker) moved(c *conn, s side, n int) {
	c.lastMove = w.now
	s.moved += uint64(n)
	if s.stream == &c.down {
		if c.firstByte == 0 {
			c.firstByte = w.server.clock()
		}
		return
	}
	c.flags |= backendWrote
}

// beforeWrite turns Nagle's algorithm off for a backend at the second write:
// the first is never held back, and many connections make no second one.
func (w *worker) beforeWrite(c *conn, s side) {
	if s.stream == &c.up && c.flags&(backendWrote|backendNoDelay|backendUnix) == backendWrote {
		c.flags |= backendNoDelay
		sys.NoDelay(s.sink, true)
	}
}

// errnoOf keeps the first errno that said something.
func (c *conn) errnoOf(e syscall.Errno) {
	if c.errno == 0 && e != syscall.EPIPE {
		c.errno = uint16(e)
	}
}
