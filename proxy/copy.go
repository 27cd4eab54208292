package proxy

import (
	"syscall"

	"sluice/internal/sys"
)

// fillBuffer is fill by read(2), for listeners with relay = "copy" and where
// there is no pipe to be had or splice is refused. An urgent byte has to be
// looked for first: read skips it without a word.
func (w *worker) fillBuffer(c *conn, s side) {
	if s.AtMark() && sys.AtMark(s.source) {
		s.SourceUrgent()
		return
	}
	i := w.bufs.take()
	b, m := w.bufs.at(i)
	// Named before it is read into: after a crash the kernel tells how much was.
	m.read(s.source)
	c.flags |= s.buffered
	s.carrier = i
	n, e := sys.Read(s.source, b)
	fault("read")
	if n > 0 {
		m.end = uint32(n)
		s.Filled(n, n < len(b) && !s.sourceUnix)
		fault("read counted")
		m.moving = still
		return
	}
	w.giveBuffer(c, s)
	switch e {
	case 0:
		w.sourceEnded(c, s)
	case syscall.EAGAIN:
		w.sourceEmpty(s)
	default:
		w.sourceBroke(c, s, e)
	}
}

// giveBuffer gives back the buffer of a flow, which is empty.
func (w *worker) giveBuffer(c *conn, s side) {
	i := s.carrier
	s.carrier = -1
	fault("buffer let go")
	c.flags &^= s.buffered
	w.bufs.give(i)
}

// drainBuffer is drain by a write of which the kernel itself notes how far it came.
func (w *worker) drainBuffer(slot uint32, c *conn, s side) {
	b, m := w.bufs.at(s.carrier)
	m.write(s.stream)
	n, e := m.out.Send(s.sink, b[m.end-m.left:m.end])
	fault("written")
	if n > 0 {
		w.moved(c, s, n)
		s.Drained(n)
	}
	fault("written counted")
	m.moving = still
	switch {
	case n > 0:
		if s.Pending() == 0 {
			w.giveBuffer(c, s)
		}
	case e == syscall.EAGAIN:
		w.sinkFull(slot, c, s)
	default:
		w.sinkBroke(c, s, e)
	}
}
