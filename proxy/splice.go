package proxy

import (
	"syscall"

	"sluice/internal/sys"
)

// How much one fill may move. A flow that has filled as much as a short fill is
// a bulk transfer and may fill more, less while others are in a hurry, and no more than
// at first when the pipes of slow readers pin much memory already.
const (
	shortFill   = 64 << 10
	hurriedFill = 256 << 10
	longFill    = 1 << 20
	pinnedMost  = 64 << 20 // bytes in a worker's pipes beyond which no fill is long
	// shortMessage is a fill that tells of an interactive flow.
	shortMessage = 16 << 10
	// smallPiece is a size in bytes below which the pieces of a stream hardly ever
	// are on average (a full segment of Ethernet has 1448): a pipe that holds less
	// than so much a slot is probably not full, though that is not proven. See
	// doubts.go.
	smallPiece = 1 << 10
)

func (w *worker) fillLength(s *stream) int {
	switch {
	case !s.full || w.pipes.pinned > pinnedMost:
		return shortFill
	case w.hurried():
		return hurriedFill
	}
	return longFill
}

// fill moves bytes from a source into an empty pipe.
func (w *worker) fill(c *conn, s side) {
	if c.has(copied) {
		w.fillBuffer(c, s)
		return
	}
	i, e := w.pipes.take()
	if e != 0 { // no descriptor for a pipe: this once, copy
		w.count.pipeFails.add(1)
		if !w.saidShort {
			w.saidShort = true
			w.notice(NoticePipeLimit, w.live.listener(c.listener), e)
		}
		w.fillBuffer(c, s)
		return
	}
	fault("pipe lent")
	p := w.pipes.at(i)
	want := min(w.fillLength(s.stream), p.size)
	s.carrier = i // before there is anything in it: after a crash the pipe itself is asked
	n, e := sys.Splice(s.source, p.w, want)
	fault("spliced in")
	if n > 0 && e == 0 {
		w.pipes.pinned += n
		if !s.full && n < shortMessage {
			w.shortAt = w.now
		}
		s.full = n >= shortFill
		proof := n < p.slots && n < want && !s.sourceUnix
		if s.Filled(n, proof); !proof && n < want && n < p.slots*smallPiece {
			s.Doubt()
		}
		return
	}
	s.carrier = -1
	w.pipes.give(i)
	switch e {
	case 0:
		w.sourceEnded(c, s)
	case syscall.EAGAIN:
		w.sourceEmpty(s)
	case syscall.EINVAL, syscall.EOPNOTSUPP, syscall.ENOSYS: // splice is refused here
		c.flags |= copied
		w.count.refused.add(1)
	default:
		w.sourceBroke(c, s, e)
	}
}

// drain moves the pending bytes to the sink.
func (w *worker) drain(slot uint32, c *conn, s side) {
	w.beforeWrite(c, s)
	if c.has(s.buffered) {
		w.drainBuffer(slot, c, s)
		return
	}
	i := s.carrier
	n, e := sys.Splice(w.pipes.at(i).r, s.sink, s.Pending())
	fault("spliced out")
	switch {
	case n > 0 && e == 0:
		w.moved(c, s, n)
		fault("moved counted")
		w.pipes.pinned -= n
		if s.Drained(n); s.Pending() == 0 {
			s.carrier = -1
			fault("pipe let go")
			w.pipes.give(i)
		}
	case e == syscall.EAGAIN:
		w.sinkFull(slot, c, s)
	default:
		w.sinkBroke(c, s, e)
	}
}

// dropCarrier gives back a pipe or buffer with bytes that nobody will get.
func (w *worker) dropCarrier(c *conn, s *stream, buffered flags) {
	i := s.carrier
	if i < 0 {
		return
	}
	s.carrier = -1
	fault("carrier dropped")
	if c.has(buffered) {
		c.flags &^= buffered
		w.bufs.give(i)
	} else {
		w.pipes.drop(i, s.Pending())
	}
}
