package proxy

import (
	"hash/crc32"
	"net/netip"
	"syscall"

	"sluice/internal/sys"
	"sluice/proxy/greeting"
	"sluice/proxy/hello"
)

// Inspection is what happens between accepted and connecting at a listener that
// asks for it, and at no other: the client's first bytes are looked at (MSG_PEEK)
// and stay in its socket, but for a PROXY header, which is taken exactly. A look
// follows an event, and an event comes when there are as many bytes as are worth
// looking at (SO_RCVLOWAT), so that neither one byte at a time nor a client that says
// no more makes the worker spin.
//
// A process that takes over looks again. What was taken is in the card.

// ProxyProtocol is whether a listener reads PROXY headers.
type ProxyProtocol uint8

// Whether it does.
const (
	ProxyOff      ProxyProtocol = iota
	ProxyOptional               // from those who are believed, if they send one
	ProxyRequired               // who is not believed, or sends none, is turned away
)

// inspects reports whether a listener looks at what clients say.
func (l *Listener) inspects() bool { return l.Routes != nil || l.Proxy != ProxyOff }

// believes reports whether a PROXY header from a client is taken for true. Who can
// open a unix socket is believed.
func (l *Listener) believes(client netip.Addr) bool {
	return !client.IsValid() || l.ProxyFrom != nil && l.ProxyFrom.Lookup(client)
}

// awaits reports whether a PROXY header may say who a client's connection is from.
func (l *Listener) awaits(client netip.Addr) bool { return l.Proxy != ProxyOff && l.believes(client) }

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

// inspect begins, for a conn that was just accepted and has a card. Its first event is still to
// come.
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
	if k.waiting {
		sys.LowWater(int(c.client), 1)
		k.waiting = false
	}
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

// lookForHeader reports whether there is more to look for.
func (w *worker) lookForHeader(slot uint32, c *conn, k *card, b []byte, ended bool) (again bool) {
	g := &w.peek.greeting
	v, need := g.Parse(b)
	if v == greeting.More && ended {
		if v = greeting.Malformed; len(b) == 0 {
			v = greeting.Absent
		}
	}
	switch v {
	case greeting.More:
		w.await(c, k, need)
		return false
	case greeting.Absent:
		if w.live.listener(c.listener).Proxy == ProxyRequired {
			w.turnBack(slot, c, ProxyHeaderMissing)
			return false
		}
		return w.afterHeader(slot, c, k)
	case greeting.Malformed:
		w.turnBack(slot, c, ProxyHeaderMalformed)
		return false
	}
	if !k.keep(g) {
		w.count.tlvsDropped.add(1)
	}
	k.taken, k.sum = uint32(g.Size), crc32.Checksum(b[:g.Size], castagnoli)
	k.stage = taking
	fault("header noted")
	return w.takeHeader(slot, c, k, int(k.taken))
}

// takeHeader takes the n bytes that are left of a PROXY header from the client.
func (w *worker) takeHeader(slot uint32, c *conn, k *card, n int) (again bool) {
	if k.waiting {
		sys.LowWater(int(c.client), 1)
		k.waiting = false
	}
	for n > 0 {
		got, e := sys.Read(int(c.client), w.peek.room()[:n])
		if e != 0 || got == 0 {
			c.blame(Internal, e) // they were there a moment ago
			w.close(slot, c, true)
			return false
		}
		n -= got
	}
	fault("header taken")
	k.stage = after
	w.count.proxyHeaders.add(1)
	return w.afterHeader(slot, c, k)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (w *worker) lookForHello(slot uint32, c *conn, k *card, b []byte, ended bool) {
	h := &w.peek.hello
	switch v, need := h.Parse(b); {
	case v == hello.More && !ended:
		w.await(c, k, need)
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
func (w *worker) await(c *conn, k *card, n int) {
	if !c.has(clientUnix) && n > 1 {
		k.waiting = true
		sys.LowWater(int(c.client), n)
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
// has come since; whether the header was taken, the kernel tells: TCP counts what was
// read, and in a unix socket the header itself is still there or not.
func (w *worker) resumeInspect(slot uint32, c *conn) {
	k := w.slab.card(slot)
	switch k.stage {
	case taking:
		n := int(k.taken)
		if c.has(clientUnix) {
			if b := w.peek.room()[:n]; peeked(int(c.client), b) != n || crc32.Checksum(b, castagnoli) != k.sum {
				n = 0
			}
		} else if got, err := taken(int(c.client)); err != nil {
			w.abort(slot, c, syscall.ECONNRESET)
			return
		} else {
			n -= min(n, int(got))
		}
		if w.takeHeader(slot, c, k, n) {
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

func peeked(fd int, b []byte) int {
	n, _ := sys.Peek(fd, b)
	return n
}
