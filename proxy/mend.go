package proxy

import (
	"errors"
	"fmt"

	"sluice/internal/sys"
)

// mend makes a record whole that was cut off at any moment. It returns what is
// wrong with it if that cannot be done.
func (a *adoption) mend(w *worker, old *pastConn, c *conn) (fault string) {
	c.timer, c.next = timer{}, 0
	// The last two are only notes that a socket option was set; it is set again.
	c.flags &^= queued | inDoubt | backendNoDelay | backendKept | inPool
	a.mendNumbers(c)
	k := a.card(old)
	a.taken, a.given = k.ahead()
	if c.phase == sending || c.phase == lingering {
		return a.mendFallback(c, c.backend >= 0 && sys.KindOf(int(c.backend)) == sys.Other)
	}
	if c.phase == inspecting || c.phase == connecting || c.phase == waiting {
		if c.backend < 0 {
			c.backendID = 0
		}
		c.up.carrier, c.down.carrier = -1, -1
		c.flags &^= upBuffered | downBuffered
		return ""
	}
	if c.connected == 0 {
		c.connected = max(a.clock(), c.connectAt+1)
	}
	if c.has(hopping) {
		fault = "an urgent byte was on its way"
	}
	up, down := c.upSide(), c.downSide()
	for _, s := range []side{up, down} {
		if f := a.flow(w, old, c, s); f != "" && fault == "" {
			fault = f
		}
		s.Writable()
		s.Recheck()
	}
	if fault != "" {
		w.dropCarriers(c)
	}
	return fault
}

// mendNumbers forgets numbers that nobody has.
func (a *adoption) mendNumbers(c *conn) {
	if c.backendID != 0 && a.in.backendOf(c.backendID) == nil {
		c.backendID = 0
	}
	tried := c.tried.All()
	c.tried = conn{}.tried
	for _, id := range tried {
		if a.in.backendOf(id) != nil {
			c.tried.Add(id)
		}
	}
}

// Bytes that are on their way. A carrier is named in the conn before anything is
// put into it, and a flow fills only what is empty; so whatever is in it now belongs to that
// flow, and how much it is, the pipe itself says; of a buffer the kernel has kept
// count as well, see mendbuffer.go.

// flow mends one direction of a conn. It returns what is wrong if bytes may be lost
// or doubled.
func (a *adoption) flow(w *worker, old *pastConn, c *conn, s side) string {
	i := s.carrier
	s.carrier = -1
	buffered := c.has(s.buffered)
	c.flags &^= s.buffered
	switch {
	case i < 0 && s.Pending() == 0:
		return ""
	case c.has(s.sinkBroken) || s.Over(): // it was about to be dropped
		if !s.Over() {
			s.SinkBroke()
		}
		return ""
	case i < 0:
		return fmt.Sprintf("%d bytes were in no pipe", s.Pending())
	case buffered:
		return a.buffer(w, old, c, s, int(i))
	}
	return a.pipe(w, old, s, int(i))
}

// pipe takes over the pipe that a flow names.
func (a *adoption) pipe(w *worker, old *pastConn, s side, i int) string {
	if i >= a.past.layout.Shape.Pipes {
		return "its pipe is none"
	}
	p, _ := pastOf[pipe](a.past, "pipe", old.worker, i)
	if !a.free[p.r] || !a.free[p.w] || sys.KindOf(p.r) != sys.PipeKind || sys.KindOf(p.w) != sys.PipeKind {
		return "its pipe is gone"
	}
	was, n := s.Pending(), sys.Unread(p.r)
	if was != 0 && n > was {
		return fmt.Sprintf("its pipe has %d bytes and should have %d", n, was)
	}
	if n < was { // moved, and not yet noted, or not everywhere
		if exact, err := a.givenTo(s); err == nil {
			s.moved = exact
		} else {
			s.moved += uint64(was - n)
		}
	}
	s.Carry(n)
	if n == 0 {
		return "" // left to those that are closed
	}
	a.claim(p.r)
	a.claim(p.w)
	s.carrier = w.pipes.adopt(p, n)
	return ""
}

// takenFrom is how many bytes of a flow were taken from its source: a PROXY header
// before them is not counted.
func (a *adoption) takenFrom(s side) (uint64, error) {
	n, err := taken(s.source)
	if s.fromClient {
		n -= a.taken
	}
	return n, err
}

// givenTo is how many were given to its sink.
func (a *adoption) givenTo(s side) (uint64, error) {
	n, err := given(s.sink, s.fromClient)
	if s.fromClient {
		n -= a.given
	}
	return n, err
}

// counts asks a TCP socket for its counts and for one that belongs to them, at one
// moment: bytes may come and be acknowledged between two questions.
func counts(fd int, also func(int) int) (f sys.TCPFacts, n uint64, err error) {
	f, e := sys.TCP(fd)
	for range 1000 {
		if e != 0 {
			return f, 0, e
		}
		was := f
		n = uint64(also(fd))
		if f, e = sys.TCP(fd); e == 0 && f == was {
			return f, n, nil
		}
	}
	return f, 0, errors.New("its counts never rest")
}

// taken is how many bytes were ever read from a TCP socket.
func taken(fd int) (uint64, error) {
	if sys.Multipath(fd) {
		return takenByMultipath(fd)
	}
	f, unread, err := counts(fd, sys.Unread)
	if err != nil {
		return 0, err
	}
	n := f.Received - unread
	switch f.State {
	case sys.CloseWait, sys.LastAck, sys.Closing, sys.TimeWait:
		n-- // the FIN is counted
	case sys.Closed: // of both FINs, or of a reset, before which there may have been one
		if sys.Failed(fd) {
			return 0, fmt.Errorf("state %d does not tell", f.State)
		}
		n--
	}
	return n, nil
}

// given is how many bytes were ever written to a TCP socket, which connected
// itself or was accepted.
func given(fd int, connected bool) (uint64, error) {
	if sys.Multipath(fd) {
		return givenByMultipath(fd)
	}
	f, unsent, err := counts(fd, sys.Unsent)
	if err != nil {
		return 0, err
	}
	n := f.Acked + unsent
	if connected {
		n-- // the SYN is counted
	}
	switch f.State {
	case sys.Established, sys.CloseWait:
		return n, nil
	}
	return 0, fmt.Errorf("state %d does not tell", f.State)
}
