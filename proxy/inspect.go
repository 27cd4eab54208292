package proxy

import (
	"syscall"

	"sluice/internal/sys"
	"sluice/proxy/greeting"
	"sluice/proxy/hello"
)

// Inspection is what happens between accepted and connecting at a listener that
// asks for it, and at no other: the client's first bytes are looked at (MSG_PEEK)
// and stay in its socket, but for a PROXY header, see header.go. A look
// follows an event, and an event comes when there are as many bytes as are worth
// looking at (SO_RCVLOWAT), so that neither one byte at a time nor a client that says
// no more makes the worker spin.
//
// A process that takes over looks again. What was taken is in the card.

// inspects reports whether a listener looks at what clients say.
func (l *Listener) inspects() bool { return l.Routes != nil || l.Proxy != ProxyOff }

// peekRoom is where workers look at first bytes; one of them is enough for a worker.
type peekRoom struct {
	bytes    []byte
	greeting greeting.Greeting
	hello    hello.Hello
	id       [32]byte
}

func (p *peekRoom) room() []byte {
	if p.bytes == nil {
		p.bytes = make([]byte, greeting.Longest)
	}
	return p.bytes
}

// inspect begins, for a conn that was just accepted and has a card. Its first event is
// still to come.
func (w *worker) inspect(slot uint32, c *conn, l *listenerSlot) {
	k := w.slab.card(slot)
	switch {
	case l.awaits(c.clientAddress().Addr()):
		k.stage = awaitHeader
		w.armDeadline(slot, c)
	case l.Proxy == ProxyRequired:
		w.turnBack(slot, c, ProxyHeaderMissing)
	default:
		w.afterHeader(slot, c, k)
	}
}

// afterHeader goes on when it is known who a conn is from. It reports whether the
// client has to be heard.
func (w *worker) afterHeader(slot uint32, c *conn, k *card) (looks bool) {
	if !k.admitted && !w.admitted(slot, c, k) {
		return false
	}
	if r := w.live.listener(c.listener).Routes; r != nil && r.Looks(w.source(slot, c).Addr()) {
		k.stage = awaitHello
		w.armDeadline(slot, c)
		return true
	}
	w.inspected(slot, c, k)
	return false
}

// inspected goes on to a backend.
func (w *worker) inspected(slot uint32, c *conn, k *card) {
	k.awaitAny(c)
	k.stage = inspected
	fault("inspected")
	c.phase = connecting
	c.lastMove = w.now
	w.connect(slot, c)
}

// inspectEvent is an event of a client that is inspected.
func (w *worker) inspectEvent(slot uint32, c *conn, events uint32) {
	w.latch(&c.up, events)
	if events&sys.Err != 0 {
		e := sys.SocketError(int(c.client))
		fault("client aborted")
		w.abort(slot, c, e)
		return
	}
	w.look(slot, c, events&(sys.RdHup|sys.Hup) != 0)
}

// look sees what there is. ended says that no more will come.
func (w *worker) look(slot uint32, c *conn, ended bool) {
	for {
		b := w.peek.room()
		if c.has(clientMPTCP) {
			sys.Gather(int(c.client))
		}
		n, e := sys.Peek(int(c.client), b)
		switch {
		case e == syscall.EAGAIN && ended: // the end is behind an urgent byte
		case e == syscall.EAGAIN:
			return
		case e != 0:
			w.abort(slot, c, e)
			return
		}
		k := w.slab.card(slot)
		if k.stage != awaitHeader {
			w.lookForHello(slot, c, k, b[:n], ended || n == 0)
			return
		}
		if !w.lookForHeader(slot, c, k, b[:n], ended || n == 0) {
			return
		}
	}
}

func (w *worker) lookForHello(slot uint32, c *conn, k *card, b []byte, ended bool) {
	h := &w.peek.hello
	switch v, need := h.Parse(b); {
	case v == hello.More && !ended:
		k.await(c, need)
		return
	case v == hello.Found:
		k.see(h)
		if k.nameSize == 0 {
			w.count.noName.add(1)
		}
	default:
		w.count.notTLS.add(1)
	}
	w.inspected(slot, c, k)
}

// await has an event come when n bytes are there. A unix socket has one whenever
// there are more than before.
//
// What was asked for is not asked for again. The kernel gives less where half of the
// socket's buffer is less, and tells of as much at once whenever it is asked: who finds
// too little and asks again would do nothing else. It tells of what comes later as
// it comes.
func (k *card) await(c *conn, n int) {
	if mark := uint32(n); !c.has(clientUnix) && n > 1 && k.lowWater != mark {
		k.lowWater, k.waiting = mark, true
		sys.LowWater(int(c.client), n)
	}
}

// awaitAny takes await back.
func (k *card) awaitAny(c *conn) {
	if k.lowWater != 0 {
		sys.LowWater(int(c.client), 1)
		k.lowWater, k.waiting = 0, false
	}
}

// inspectLate is what inspect_timeout comes to. A client who says nothing may be
// one that waits for the server to speak, if it need not say anything.
func (w *worker) inspectLate(slot uint32, c *conn) {
	k := w.slab.card(slot)
	if k.stage == awaitHeader && w.live.listener(c.listener).Proxy == ProxyOptional {
		if _, e := sys.Peek(int(c.client), w.peek.room()); e == syscall.EAGAIN {
			w.afterHeader(slot, c, k)
			return
		}
	}
	w.turnBack(slot, c, InspectTimedOut)
}

// turnBack ends a conn that is not taken further than inspection.
func (w *worker) turnBack(slot uint32, c *conn, cause Cause) {
	c.cause, c.errno = cause, 0
	w.turnAway(slot, c)
}

// resumeInspect goes on with a conn that another process inspected. Events tell what
// has come since.
func (w *worker) resumeInspect(slot uint32, c *conn) {
	k := w.slab.card(slot)
	if !c.has(clientUnix) && k.stage < inspected {
		k.lowWater = 1 // as far as is known: the process before may have noted it otherwise
		k.awaitAny(c)
	}
	if c.has(clientUnix) && k.stage != taking {
		sys.Unmeter(int(c.client)) // that it is taking was about to be noted, or that it has taken
	}
	switch k.stage {
	case taking:
		n, ok := headerLeft(c, k)
		if !ok {
			w.abort(slot, c, syscall.ECONNRESET)
		} else if w.takeHeader(slot, c, k, n) {
			w.look(slot, c, false)
		}
	case fresh:
		w.inspect(slot, c, w.live.listener(c.listener))
	case after:
		w.afterHeader(slot, c, k)
	case inspected:
		w.connect(slot, c)
	default:
		w.armDeadline(slot, c)
	}
}
