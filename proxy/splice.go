package proxy

import (
	"syscall"

	"sluice/internal/sys"
)

// How much one fill may move. A flow that has filled all it might is a bulk
// transfer and may fill more, less while others are in a hurry, and no more than
// at first when the pipes of slow readers pin much memory already.
const (
	shortFill   = 64 << 10
	hurriedFill = 256 << 10
	longFill    = 1 << 20
	pinnedMost  = 64 << 20 // bytes in a worker's pipes beyond which no fill is long
	// shortMessage is a fill that tells of an interactive flow.
	shortMessage = 16 << 10
	// tinyPiece is a size in bytes that the pieces of a stream hardly ever have
	// on average: a pipe that holds less than so much a slot is not full, though
	// that is not proven. See doubts.go.
	tinyPiece = 64
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
	p := w.pipes.at(i)
	want := min(w.fillLength(s.stream), p.size)
	n, e := sys.Splice(s.source, p.w, want)
	if n > 0 && e == 0 {
		s.carrier = i
		w.pipes.pinned += n
		if !s.full && n < shortMessage {
			w.shortAt = w.now
		}
		s.full = n == want
		proof := n < p.slots && n < want && !s.sourceUnix
		if s.Filled(n, proof); !proof && n < p.slots*tinyPiece {
			s.Doubt()
		}
		return
	}
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
	n, e := sys.Splice(w.pipes.at(s.carrier).r, s.sink, s.Pending())
	switch {
	case n > 0 && e == 0:
		w.moved(c, s, n)
		w.pipes.pinned -= n
		if s.Drained(n); s.Pending() == 0 {
			w.pipes.give(s.carrier)
			s.carrier = -1
		}
	case e == syscall.EAGAIN:
		w.sinkFull(slot, c, s)
	default:
		w.sinkBroke(c, s, e)
	}
}

// dropCarrier gives back a pipe or buffer with bytes that nobody will get.
func (w *worker) dropCarrier(c *conn, s *stream, buffered flags) {
	if s.carrier < 0 {
		return
	}
	if c.has(buffered) {
		w.bufs.give(s.carrier)
		c.flags &^= buffered
	} else {
		w.pipes.drop(s.carrier, s.Pending())
	}
	s.carrier = -1
}
