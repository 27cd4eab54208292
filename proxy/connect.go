package proxy

import (
	"syscall"
	"time"

	"sluice/balancer"
	"sluice/internal/sys"
)

// again is how soon a unix backend whose queue is full is asked again: it gives
// no event when there is room.
const again = 10 * time.Millisecond

// connect picks a backend and begins to connect, unless others wait for one.
func (w *worker) connect(slot uint32, c *conn) {
	pool := w.poolFor(slot, c)
	if pool == nil {
		w.turnBack(slot, c, NoRoute)
		return
	}
	if pool.Queue > 0 && c.tried.Len() == 0 && pool.line.Crowded() {
		w.queue(slot, c, pool)
		return
	}
	w.request = w.requestOf(slot, c, pool)
	ref, verdict := w.pickIn(pool, c)
	switch {
	case verdict == balancer.Picked:
		w.begun(slot, c, pool, ref)
	case verdict == balancer.AllFull && pool.Queue > 0:
		w.queue(slot, c, pool)
	default:
		w.refuse(slot, c, verdict)
	}
}

func (w *worker) requestOf(slot uint32, c *conn, pool *Pool) balancer.Request {
	return balancer.Request{Key: w.hashKey(slot, c, pool.HashOn), Rand: w.random.Uint64(), Now: w.now, Tried: c.tried}
}

// begun connects to a backend that was picked, and goes on to another while that
// fails at once.
func (w *worker) begun(slot uint32, c *conn, pool *Pool, ref int) {
	for {
		if c.tried.Len() > 0 {
			c.retries++
			w.count.retries.add(1)
		}
		b := pool.Backends[ref]
		c.phase, c.backendID, c.connectAt = connecting, b.Load.ID, w.now
		e := w.dial(slot, c, pool, b)
		switch e {
		case 0:
			w.connected(slot, c)
			return
		case syscall.EINPROGRESS, syscall.EAGAIN:
			w.armDeadline(slot, c)
			return
		}
		if !w.another(slot, c, e) {
			return
		}
		w.request = w.requestOf(slot, c, pool)
		var verdict balancer.Verdict
		if ref, verdict = w.pickIn(pool, c); verdict != balancer.Picked {
			w.refuse(slot, c, verdict)
			return
		}
	}
}

// dial opens a socket to a backend and registers it.
func (w *worker) dial(slot uint32, c *conn, pool *Pool, b *Backend) syscall.Errno {
	address := b.Address.sockaddr()
	fd, e := sys.Socket(address.Family())
	if e != 0 {
		return e
	}
	fault("backend socket")
	c.backend = int32(fd)
	c.flags &^= backendUnix | dialLater
	if b.Address.Unix != "" {
		c.flags |= backendUnix
	} else {
		pool.Socket.applyUserTimeout(fd)
	}
	fault("backend noted")
	if pool.From != (From{}) && b.Address.Unix == "" {
		if e := w.bindFrom(slot, c, fd, address.Family(), &pool.From); e != 0 {
			w.unbound = true
			return e
		}
	}
	e = sys.Connect(fd, &address)
	fault("connect begun")
	switch e {
	case syscall.EAGAIN: // a unix socket whose queue is full
		c.flags |= dialLater
		return e
	case 0, syscall.EINPROGRESS:
		if e := w.watchBackend(slot, c); e != 0 {
			return e
		}
	}
	return e
}

// keepAlive sets keepalive on the backend's socket. It is left until the conn's
// timer fires for the first time: most connections end before, and four system
// calls are saved.
func (w *worker) keepAlive(c *conn) {
	if !c.has(backendUnix | backendKept) {
		c.flags |= backendKept
		w.live.backend(c.backendID).pool.Socket.applyKeepalive(int(c.backend))
	}
}

// watchBackend registers the backend's socket, for OUT as well: that is how
// the end of the connect shows. It must not be registered before the connect
// has begun, else it reports OUT and HUP at once.
func (w *worker) watchBackend(slot uint32, c *conn) syscall.Errno {
	c.flags |= backendOut
	return sys.EpollAdd(w.ep, int(c.backend), sys.In|sys.Out|sys.RdHup|sys.Pri|sys.Edge, slot, c.generation|backendSide)
}

// dialAgain is what a full unix backend's timer does.
func (w *worker) dialAgain(slot uint32, c *conn) {
	address := w.live.backend(c.backendID).Address.sockaddr()
	e := sys.Connect(int(c.backend), &address)
	if e == syscall.EAGAIN {
		w.armDeadline(slot, c)
		return
	}
	c.flags &^= dialLater
	if e == 0 {
		e = w.watchBackend(slot, c)
	}
	if e == 0 {
		w.connected(slot, c)
	} else if w.another(slot, c, e) {
		w.connect(slot, c)
	}
}

// connectEvent is an event of the backend's socket before it is connected.
func (w *worker) connectEvent(slot uint32, c *conn, events uint32) {
	if events&(sys.Err|sys.Hup) != 0 {
		e := sys.SocketError(int(c.backend))
		if e == 0 {
			e = syscall.ECONNRESET
		}
		fault("connect failed")
		if sys.Unread(int(c.backend)) == 0 {
			if w.another(slot, c, e) {
				w.connect(slot, c)
			}
			return
		}
		// It was connected, spoke and reset, all before we looked: what it said
		// is for the client.
		c.flags |= backendReset
		c.errnoOf(e)
	}
	if events&sys.Out == 0 {
		return
	}
	if b := w.live.backend(c.backendID); b.Address.mayBeOurs() && isItself(int(c.backend), b.Address.TCP) {
		if w.another(slot, c, syscall.ECONNREFUSED) {
			w.connect(slot, c)
		}
		return
	}
	w.latch(&c.down, events)
	w.connected(slot, c)
}

// connected begins the relay.
func (w *worker) connected(slot uint32, c *conn) {
	fault("connect done")
	pool, more := w.live.backend(c.backendID).pool, false
	if pool.SendProxy != SendNone && !c.has(backendReset) {
		var done bool
		if done, more = w.greet(slot, c, pool.SendProxy); !done {
			return
		}
	}
	c.phase, c.cause = relaying, Completed
	fault("relaying")
	if !c.has(backendReset) {
		c.errno = 0
	}
	c.connected = max(w.server.clock(), c.connectAt+1)
	c.lastMove = w.now
	if !c.timer.armed() || pool.Socket.Keepalive.Idle < pool.ConnectTimeout {
		w.keepAlive(c)
	}
	w.armDeadline(slot, c)
	w.live.backend(c.backendID).Load.Connected()
	w.timeConnect(c)
	if w.server.tellBegun.Load() {
		w.reportAs(toldBegun, slot, c)
	}
	generation := c.generation
	w.relay(slot, c)
	if more && c.generation == generation {
		w.uncork(c)
	}
}

// another notes that a backend could not be connected, and reports whether
// another may be tried; if not, the conn is closed.
func (w *worker) another(slot uint32, c *conn, e syscall.Errno) bool {
	b := w.live.backend(c.backendID)
	if fd := int(c.backend); fd >= 0 {
		c.backend = -1 // crossed out before it is closed: its number may soon be another's
		fault("backend crossed out")
		sys.Close(fd)
	}
	w.ungreet(slot, c)
	c.down.init()
	c.flags &^= backendOut | backendKept | backendWrote | backendNoDelay
	cause := ConnectFailed
	switch unbound := w.unbound; {
	case unbound: // the backend was not asked
		w.unbound = false
	case scarce(e):
		cause = NoDescriptor
		w.scarce = e
	case e == syscall.EADDRNOTAVAIL: // our ports to this backend are used up: not its fault
	case e == syscall.ETIMEDOUT:
		cause = ConnectTimedOut
		w.timeFailure(b)
		w.reportFailedConnect(b, e)
	default:
		w.timeFailure(b)
		w.reportFailedConnect(b, e)
	}
	c.tried.Add(c.backendID)
	w.releaseBackend(c)
	c.cause, c.errno = cause, uint16(e) // forgotten if another connects
	if cause != NoDescriptor && c.tried.Len() <= b.pool.Retries {
		return true
	}
	w.turnAway(slot, c)
	return false
}

// scarce reports whether a system call failed for want of something.
func scarce(e syscall.Errno) bool {
	switch e {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC:
		return true
	}
	return false
}

// refuse ends a conn for which no backend could be picked.
func (w *worker) refuse(slot uint32, c *conn, v balancer.Verdict) {
	switch {
	case c.tried.Len() > 0: // the cause is that of the last connect
	case v == balancer.NoneUp:
		c.cause = NoBackend
	default:
		c.cause = BackendsFull
	}
	w.turnAway(slot, c)
}

// turnAway gives the client its listener's fallback file, or closes it as the
// listener says. A close that leaves unread bytes would be a reset, so what the
// client has sent is thrown away first.
func (w *worker) turnAway(slot uint32, c *conn) {
	if w.fallBack(slot, c) {
		return
	}
	reset := w.live.listener(c.listener).Reject == RejectReset
	if !reset && !c.has(clientUnix) {
		sys.ShutdownWrite(int(c.client))
		sys.Discard(int(c.client), 1<<20)
	}
	w.close(slot, c, reset)
}

func (a *Address) sockaddr() sys.Sockaddr {
	if a.Unix != "" {
		return sys.UnixAddr(a.Unix)
	}
	return sys.TCPAddr(a.TCP)
}
