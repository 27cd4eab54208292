package proxy

import (
	"syscall"

	"sluice/internal/sys"
)

// hop carries TCP's urgent byte over (RFC 6093; tcp(7), "Urgent data"). splice
// stops before it and then says EAGAIN, or 0 as if the stream had ended. The byte is sent
// on as urgent, at its place since the pipe is empty, and a read of one byte
// steps over it. That read may return the byte behind the urgent one, the only
// payload that ever enters user space; it goes on in a buffer.
func (w *worker) hop(slot uint32, c *conn, s side) {
	var b [1]byte
	if !sys.AtMark(s.source) { // another urgent byte came while this one waited for room, and took its place
		s.Hopped(0)
		return
	}
	switch sys.PeekUrgent(s.source, &b) {
	case 0:
		if !s.fromClient && c.has(clientMPTCP) { // MPTCP has no such thing, and would make payload of it
			w.count.urgentLost.add(1)
			break
		}
		c.flags |= hopping
		defer func() { c.flags &^= hopping }()
		e := sys.SendUrgent(s.sink, &b)
		fault("urgent sent")
		switch e {
		case 0:
			w.moved(c, s, 1)
		case syscall.EAGAIN:
			w.sinkFull(slot, c, s)
			return
		case syscall.EOPNOTSUPP: // a unix socket of an old kernel has no such thing
			w.count.urgentLost.add(1)
		default:
			w.sinkBroke(c, s, e)
			return
		}
	case syscall.EAGAIN: // announced, not here yet
		s.SourceEmpty()
		return
	}
	n, e := sys.Receive(s.source, &b)
	// A pending signal, such as those the Go scheduler sends, makes a read at the
	// mark say EAGAIN before it has stepped over.
	for e == syscall.EAGAIN && sys.AtMark(s.source) {
		n, e = sys.Receive(s.source, &b)
	}
	switch {
	case n == 1:
		i := w.bufs.take()
		behind, mark := w.bufs.at(i)
		behind[0], mark.end = b[0], 1
		s.carrier = i
		c.flags |= s.buffered
		s.Hopped(1)
	case e == 0:
		s.Hopped(0)
		s.SourceEnded()
	case e == syscall.EAGAIN:
		s.Hopped(0)
	default:
		w.sourceBroke(c, s, e)
	}
}
