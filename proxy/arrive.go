package proxy

import (
	"syscall"
	"time"

	"sluice/internal/sys"
	"sluice/proxy/relay"
)

// arrive is the first thing a worker does that has conns of the process before. A
// new epoll tells of everything that is so now, so no event of the past is missed;
// what was begun and not finished is taken up by asking the kernel how far it came.
func (w *worker) arrive() {
	w.now = w.server.clock()
	w.live = w.server.live.Load()
	if !w.ring.empty() {
		w.tellAt = w.now
	}
	w.noteHungUp()
	for slot := uint32(1); slot <= w.slab.page.used; slot++ {
		if c := w.slab.at(slot); c.generation != 0 {
			w.resume(slot, c)
			fault("resumed")
		}
	}
	for _, o := range w.orphans {
		w.client, _ = sys.PeerAddr(o.fd)
		w.byMultipath = sys.Multipath(o.fd)
		w.enter(o.fd, o.owner)
	}
	w.orphans = nil
	w.backToDoors()
}

// resume goes on with one conn.
func (w *worker) resume(slot uint32, c *conn) {
	if c.phase == closing || c.phase == counted {
		w.endClosing(slot, c)
		return
	}
	if e := w.watchAgain(int(c.client), slot, c.generation, c.has(clientOut)); e != 0 {
		c.blame(Internal, e)
		w.close(slot, c, true)
		return
	}
	if c.phase == sending || c.phase == lingering {
		w.resumeFallback(slot, c)
		return
	}
	if c.phase == waiting {
		c.phase = connecting // and waits again if it has to
	}
	if c.phase == connecting || c.phase == inspecting {
		if c.has(clientReset) {
			w.abort(slot, c, syscall.ECONNRESET)
			return
		}
		if c.phase == inspecting {
			w.resumeInspect(slot, c)
		} else {
			w.resumeConnect(slot, c)
		}
		return
	}
	if e := w.watchAgain(int(c.backend), slot, c.generation|backendSide, c.has(backendOut)); e != 0 {
		c.blame(Internal, e)
		w.close(slot, c, true)
		return
	}
	if c.phase == breaking {
		w.wheel.arm(slot, w.now+int64(10*time.Millisecond))
		return
	}
	w.armDeadline(slot, c)
	up, down := c.up.Next(), c.down.Next()
	if busy(up) || busy(down) || up == down && up == relay.Done || c.has(clientReset|backendReset) {
		w.later(slot, c)
	}
}

func busy(op relay.Op) bool { return op != relay.Wait && op != relay.Done }

func (w *worker) watchAgain(fd int, slot, half uint32, out bool) syscall.Errno {
	events := sys.In | sys.RdHup | sys.Pri | sys.Edge
	if out {
		events |= sys.Out
	}
	return sys.EpollAdd(w.ep, fd, uint32(events), slot, half)
}

// resumeConnect goes on with a conn that has no backend yet, or is connecting one.
func (w *worker) resumeConnect(slot uint32, c *conn) {
	if c.backend < 0 {
		w.connect(slot, c)
		return
	}
	if c.has(backendUnix) {
		w.resumeUnix(slot, c)
		return
	}
	switch f, _ := sys.TCP(int(c.backend)); f.State {
	case sys.SynSent, sys.SynReceived, sys.Established, sys.CloseWait:
		w.armDeadline(slot, c)
		if e := w.watchBackend(slot, c); e != 0 && w.another(slot, c, e) {
			w.connect(slot, c)
		}
		return
	}
	// Never connected, refused, or connected and reset since.
	e := sys.SocketError(int(c.backend))
	switch {
	case sys.Unread(int(c.backend)) > 0:
		c.flags |= backendReset
		c.errnoOf(e)
		w.watchBackend(slot, c)
		w.connected(slot, c)
	case e == 0:
		w.redial(slot, c)
	case w.another(slot, c, e):
		w.connect(slot, c)
	}
}

// resumeUnix does the same for a unix socket, which connects at once or not at all.
func (w *worker) resumeUnix(slot uint32, c *conn) {
	if c.has(dialLater) {
		w.armDeadline(slot, c)
		return
	}
	if _, e := sys.PeerAddr(int(c.backend)); e != 0 {
		w.redial(slot, c)
		return
	}
	if e := w.watchBackend(slot, c); e == 0 {
		w.connected(slot, c)
	} else if w.another(slot, c, e) {
		w.connect(slot, c)
	}
}

// redial begins to connect anew, as if it had not begun: what became of the socket
// says nothing about the backend.
func (w *worker) redial(slot uint32, c *conn) {
	fd := int(c.backend)
	c.backend = -1
	sys.Close(fd)
	w.ungreet(slot, c)
	c.flags &^= backendOut | backendWrote | backendNoDelay | dialLater | backendUnix | fellBack
	c.down.init()
	w.releaseBackend(c)
	w.connect(slot, c)
}

// noteHungUp looks for sockets whose reset was taken from the kernel and not noted:
// the next read would say that the stream has ended well. TCP counts the other
// side's FIN as a byte received; where it has not come, a socket that is closed was
// reset.
func (w *worker) noteHungUp() {
	var fds []int
	of := map[int]uint32{}
	for slot := uint32(1); slot <= w.slab.page.used; slot++ {
		c := w.slab.at(slot)
		if c.generation == 0 || c.phase != relaying && c.phase != connecting && c.phase != waiting && c.phase != inspecting {
			continue
		}
		fds = append(fds, int(c.client))
		of[int(c.client)] = slot
		if c.phase == relaying {
			fds = append(fds, int(c.backend))
			of[int(c.backend)] = slot
		}
	}
	for _, fd := range sys.HungUp(fds) {
		c := w.slab.at(of[fd])
		s := c.upSide()
		if fd != s.source {
			s = c.downSide()
		}
		if fd == int(c.client) && c.has(clientMPTCP) {
			w.noteMultipathHungUp(c)
			continue
		}
		f, e := sys.TCP(fd)
		if e != 0 || f.State != sys.Closed || s.Ended() || s.AtMark() || c.has(s.sourceBroken) {
			continue
		}
		if f.Received == w.ahead(of[fd], c, s)+s.moved+uint64(s.Pending())+uint64(sys.Unread(fd)) {
			c.flags |= s.sourceBroken
			if e := sys.SocketError(fd); e != 0 {
				c.errnoOf(e)
			} else {
				c.errnoOf(syscall.ECONNRESET)
			}
		}
	}
}

// ahead is how many bytes before those of a flow were taken from its source.
func (w *worker) ahead(slot uint32, c *conn, s side) uint64 {
	if !s.fromClient || !c.has(carded) {
		return 0
	}
	n, _ := w.slab.card(slot).ahead()
	return n
}
