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
	b := w.bufs.at(i)
	n, e := sys.Read(s.source, b.bytes)
	if n > 0 {
		b.at, b.end = 0, n
		s.carrier = i
		c.flags |= s.buffered
		s.Filled(n, n < len(b.bytes) && !s.sourceUnix)
		return
	}
	w.bufs.give(i)
	switch e {
	case 0:
		w.sourceEnded(c, s)
	case syscall.EAGAIN:
		w.sourceEmpty(s)
	default:
		w.sourceBroke(c, s, e)
	}
}

// drainBuffer is drain by write(2).
func (w *worker) drainBuffer(slot uint32, c *conn, s side) {
	b := w.bufs.at(s.carrier)
	n, e := sys.Write(s.sink, b.bytes[b.at:b.end])
	switch {
	case n > 0:
		b.at += n
		w.moved(c, s, n)
		if s.Drained(n); s.Pending() == 0 {
			w.bufs.give(s.carrier)
			s.carrier = -1
			c.flags &^= s.buffered
		}
	case e == syscall.EAGAIN:
		w.sinkFull(slot, c, s)
	default:
		w.sinkBroke(c, s, e)
	}
}
