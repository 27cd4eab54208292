package proxy

import "time"

// A fill that takes a short message cannot tell whether it took all there was:
// the pipe might have run out of slots, if the message came in hundreds of
// pieces of a few bytes. Asking the source costs a system call a message, and
// the answer is nearly always that it is empty. So the question is put off: the
// next message's event answers it in passing, and where none comes the source is
// asked before the worker sleeps, or after a millisecond at most while it is
// busy.
type doubts struct {
	list   []doubt
	spare  []doubt // the list's memory of the last time
	since  int64   // when the list was looked through
	rested bool    // it was, with nothing else to do: no need to spin again
}

type doubt struct{ slot, generation uint32 }

const askAfter = int64(time.Millisecond)

// doubt puts a conn on the list, once.
func (w *worker) doubt(slot uint32, c *conn) {
	if c.has(inDoubt) {
		return
	}
	c.flags |= inDoubt
	if len(w.doubts.list) == 0 {
		w.doubts.since = w.now
	}
	w.doubts.list = append(w.doubts.list, doubt{slot, c.generation})
}

// recheck asks the sources of conns on the list that have been still for a
// while; all of them when there is nothing else to do.
func (w *worker) recheck(idle bool) {
	if len(w.doubts.list) == 0 || !idle && w.now-w.doubts.since < askAfter {
		return
	}
	list := w.doubts.list
	w.doubts.list = w.doubts.spare[:0] // relay may put conns on it anew
	for _, d := range list {
		c := w.slab.at(d.slot)
		if c.generation != d.generation {
			continue
		}
		c.flags &^= inDoubt
		switch {
		case !c.up.Doubted() && !c.down.Doubted(): // answered in passing
		case !idle && w.now-c.lastMove < askAfter:
			w.doubt(d.slot, c)
		default:
			c.up.Recheck()
			c.down.Recheck()
			w.relay(d.slot, c)
		}
	}
	w.doubts.spare = list
	w.doubts.since = w.now
	w.doubts.rested = idle && len(w.doubts.list) == 0
}
