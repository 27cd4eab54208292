package proxy

import (
	"errors"
	"syscall"

	"sluice/internal/sys"
)

// buffer takes over the bytes of the buffer that a flow names.
func (a *adoption) buffer(w *worker, old *pastConn, c *conn, s side, i int) string {
	if i >= a.past.layout.Shape.Buffers {
		return "its buffer is none"
	}
	m, _ := pastOf[bufferMark](a.past, "buffer", old.worker, i)
	place := int(m.place)
	if place == 0 || place+bufferSize > len(a.past.memory) {
		return "its buffer is gone"
	}
	pending, err := a.recount(&m, s)
	if err != nil {
		return err.Error()
	}
	end := int(m.end)
	if pending < 0 || pending > end || end > bufferSize {
		return "its buffer is gone"
	}
	s.Carry(pending)
	if pending == 0 {
		return ""
	}
	to := w.bufs.take()
	bytes, mark := w.bufs.at(to)
	copy(bytes, a.past.memory[place+end-pending:place+end])
	mark.end = uint32(pending)
	c.flags |= s.buffered
	s.carrier = to
	return ""
}

// recount is how many bytes of a buffer were read and not written. What was noted
// while a system call was under way, and what was not, makes no difference: it
// begins with what was so before the call.
func (a *adoption) recount(m *bufferMark, s side) (pending int, err error) {
	switch m.moving {
	case writing:
		s.moved = m.moved + uint64(m.out.Sent())
		return int(m.left) - m.out.Sent(), nil
	case reading:
		n, err := a.wasRead(m, s)
		m.end = uint32(n)
		return n, err
	}
	return s.Pending(), nil
}

// wasRead is how many bytes a read took that was under way. Where a kernel does not
// meter a TCP socket, TCP's own counts say it; they do not where an urgent byte
// is ahead, since the kernel then tells of no byte behind that one.
func (a *adoption) wasRead(m *bufferMark, s side) (int, error) {
	if m.asked != 0 {
		n, err := sys.Metered(s.source, int(m.asked))
		if err != nil {
			return 0, errors.New("what was read from its source is not known")
		}
		return n, nil
	}
	var b [1]byte
	if s.AtMark() || !sys.Multipath(s.source) && sys.PeekUrgent(s.source, &b) != syscall.EINVAL {
		return 0, errors.New("an urgent byte was ahead")
	}
	n, err := a.takenFrom(s)
	if err != nil || n < s.moved || n-s.moved > bufferSize {
		return 0, errors.New("it was being copied at that moment")
	}
	return int(n - s.moved), nil
}
