package proxy

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"sluice/balancer"
	"sluice/internal/sys"
	"sluice/proxy/relay"
)

// phase is where a conn stands:
//
//	inspecting      queued
//	   ^   |         ^  | all are full, until
//	   |   v         |  v one has room
//	accepted --> connecting --> relaying --> closed
//	   |          |  ^  |          |           ^
//	   |          |  +--+ refused, | one side  |
//	   |          |  late: another | broke     |
//	   |          |  backend       v           |
//	   |          |             breaking ------+ what was sent before the
//	   |          |                            | break is acknowledged, or
//	   +----------+----------------------------+ half_close_timeout is over
//	 nobody to   none left, client gone
//	 connect to
//
// Inspecting is left out where a listener does not ask for it; from there a
// client may be turned away. From connecting, queued and relaying a timeout or the
// end of the grace period leads to closed as well.
type phase uint8

const (
	closed     phase = iota // the slot is free
	inspecting              // what the client says first is looked at, see inspect.go
	connecting              // a backend is picked, its socket not yet connected
	waiting                 // every backend is full
	relaying                // bytes flow
	breaking                // one side is broken, the other has bytes on their way
	sending                 // the client gets the fallback file
	lingering               // it has, and has not ended
	closing                 // its descriptors are being closed
	counted                 // they are, and it is among those that have ended
	phases
)

var phaseNames = [phases]string{"closed", "inspecting", "connecting", "queued", "relaying", "breaking", "fallback", "lingering", "closing", "counted"}

// conn is one connection: plain data without a Go pointer, of a fixed size, in
// its worker's slab. Only that worker touches it. What it refers to, it names
// by number: see live.
type conn struct {
	generation uint32 // 0: the slot is free
	next       uint32 // slot: the free list's, or the ready list's

	client, backend int32 // descriptors; -1: none
	listener        uint32
	backendID       uint32 // balancer.Load.ID; 0: none

	phase phase
	cause Cause
	flags flags
	errno uint16 // of the failure that ended it

	up, down stream
	timer    timer

	accepted  int64 // ns on the process's clock, as all times here
	queuedAt  int64 // it began to wait for a backend, 0: it never had to
	connectAt int64 // the latest connect began
	connected int64 // it was done
	firstByte int64 // a byte of the backend reached the client
	lastMove  int64 // a byte moved, or a side finished
	brokenAt  int64 // one side broke

	tried balancer.Tried

	address [16]byte
	port    uint16
	retries uint8
	unsent  uint32 // what the client had still to acknowledge when it was looked at
	counted uint8  // number of the table of sources in which it is; 0: none
}

// stream is one direction of a conn: the machine that decides, and what its
// shell needs.
type stream struct {
	relay.Flow
	carrier int32  // the pipe or buffer that holds the pending bytes; -1: none
	full    bool   // the last fill was as long as a short one may be, or longer
	moved   uint64 // bytes delivered
}

func (s *stream) init() {
	s.Flow.Init()
	s.carrier = -1
}

type flags uint32

const (
	queued         flags = 1 << iota // on the worker's ready list
	inDoubt                          // on the worker's list of doubts
	copied                           // relayed by read and write
	hasAddress                       // address and port are set
	clientOut                        // the client's socket is registered for OUT
	backendOut                       // the backend's socket is
	backendNoDelay                   // the backend's socket has TCP_NODELAY
	backendKept                      // the backend's socket has its keepalive
	backendWrote                     // the backend's socket was written to
	clientUnix                       // the client's socket is not TCP
	backendUnix                      // the backend's socket is not TCP
	clientReset                      // the client's side is broken
	backendReset                     // the backend's side is broken
	upBuffered                       // up.carrier is a buffer, not a pipe
	downBuffered                     // down.carrier is one
	dialLater                        // a unix backend's queue was full: connect again when the timer fires
	hopping                          // an urgent byte is being carried over
	resetting                        // the close that has begun is a reset
	carded                           // its card says more
	inPool                           // counted toward its pool's limit
	fellBack                         // it gets the fallback file, or got it
	clientMPTCP                      // the client speaks MPTCP
)

// flagNames are the flags, lowest first.
var flagNames = [...]string{"queued", "inDoubt", "copied", "hasAddress", "clientOut", "backendOut", "backendNoDelay", "backendKept",
	"backendWrote", "clientUnix", "backendUnix", "clientReset", "backendReset", "upBuffered", "downBuffered", "dialLater",
	"hopping", "resetting", "carded", "inPool", "fellBack", "clientMPTCP"}

func (c *conn) has(f flags) bool { return c.flags&f != 0 }

func (c *conn) setClient(a *sys.Sockaddr) {
	if p := a.AddrPort(); p.IsValid() {
		c.address, c.port = p.Addr().As16(), p.Port()
		c.flags |= hasAddress
	} else {
		c.flags |= clientUnix
		// There is no address by which to know the socket again.
		binary.NativeEndian.PutUint64(c.address[:], sys.Cookie(int(c.client)))
	}
}

// cookie is the number by which a unix client is known.
func (c *conn) cookie() uint64 { return binary.NativeEndian.Uint64(c.address[:]) }

// clientAddress is the zero value for a unix socket.
func (c *conn) clientAddress() netip.AddrPort {
	if !c.has(hasAddress) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom16(c.address).Unmap(), c.port)
}

// blame notes why the connection ends, unless that is known already.
func (c *conn) blame(cause Cause, e syscall.Errno) {
	if c.cause == Completed {
		c.cause, c.errno = cause, uint16(e)
	}
}

// close ends a connection: every descriptor, the backend's load, the timer,
// the slot. With reset both sides see a RST, else a FIN after all that was
// sent. After a crash in the middle of it adoption.finish and endClosing go on.
func (w *worker) close(slot uint32, c *conn, reset bool) {
	if reset {
		c.flags |= resetting
	}
	if c.phase == waiting {
		w.leaveQueue(slot, c)
	}
	c.phase = closing
	fault("closing")
	w.dropCarriers(c)
	w.wheel.disarm(slot)
	w.endClosing(slot, c)
}

// endClosing closes what a conn has left, and makes an end of it.
func (w *worker) endClosing(slot uint32, c *conn) {
	if c.has(resetting) {
		w.resetOnClose(c)
	}
	w.sample(c)
	if c.client >= 0 {
		sys.Close(int(c.client))
		fault("client closed")
		c.client = -1
	}
	if c.backend >= 0 {
		sys.Close(int(c.backend))
		fault("backend closed")
		c.backend = -1
	}
	fault("both closed")
	w.end(slot, c)
	w.leaveSource(slot, c)
	w.dismiss(w.live.listener(c.listener))
	if !c.has(queued) { // else the ready list lets it go
		w.slab.give(slot)
		w.load.Store(int32(w.slab.live))
	} else {
		c.phase = closed
	}
}

// end counts and reports a conn that has no descriptor any more, and makes an
// end of it.
func (w *worker) end(slot uint32, c *conn) {
	if c.phase != counted {
		w.countEnd(c)
		c.phase = counted
	}
	fault("counted")
	w.report(slot, c)
	fault("reported")
	w.releaseBackend(c)
	c.generation = 0
}

func (w *worker) resetOnClose(c *conn) {
	if c.client >= 0 && !c.has(clientUnix) {
		resetOnClose(int(c.client), c.has(clientMPTCP))
	}
	if c.backend >= 0 && !c.has(backendUnix) {
		resetOnClose(int(c.backend), false)
	}
}

// dropCarriers gives back what holds bytes that nobody will get.
func (w *worker) dropCarriers(c *conn) {
	w.dropCarrier(c, &c.up, upBuffered)
	w.dropCarrier(c, &c.down, downBuffered)
}

func (w *worker) releaseBackend(c *conn) {
	if c.backendID != 0 {
		b := w.live.backend(c.backendID)
		b.Load.Release()
		c.backendID = 0
		w.roomIn(b.pool, c)
	}
}
