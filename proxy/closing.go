package proxy

import (
	"syscall"

	"sluice/internal/sys"
)

// finish takes over a conn that was being closed: what is left of it is closed,
// and its end is told if it was not. Its descriptors may have been closed before the
// record says so, and their numbers may be another's by now.
func (a *adoption) finish(w *worker, old pastConn) {
	c := old.conn
	l := a.in.listenerOf(c.listener)
	if !a.ownClient(&c) || !a.claim(int(c.client)) {
		c.client = -1
	}
	a.mendNumbers(&c)
	if !a.ownBackend(&c) || !a.claim(int(c.backend)) {
		c.backend = -1
	}
	if old.doubtful {
		a.condemn(int(old.client))
		a.condemn(int(old.backend))
		if l == nil {
			w.count.closed[Internal].add(1)
		}
	}
	if l == nil || a.wasTold(old) {
		for _, fd := range []int32{c.client, c.backend} {
			if fd >= 0 {
				a.free[int(fd)] = false
			}
		}
		return
	}
	c.timer, c.next = timer{}, 0
	c.flags &^= queued | inDoubt | upBuffered | downBuffered | inPool
	c.up.carrier, c.down.carrier = -1, -1
	a.settle(w, l, &old, c)
}

// ownClient reports whether the descriptor that a closing conn names is still its
// client.
func (a *adoption) ownClient(c *conn) bool {
	fd := int(c.client)
	if fd < 0 || !a.free[fd] || sys.KindOf(fd) != sys.SocketKind {
		return false
	}
	if c.has(clientUnix) {
		return sys.Cookie(fd) == c.cookie()
	}
	peer, e := sys.PeerAddr(fd)
	if e == syscall.ENOTCONN {
		return a.doorAt(fd) != nil
	}
	return e == 0 && peer.AddrPort() == c.clientAddress()
}

// ownBackend reports the same of its backend.
func (a *adoption) ownBackend(c *conn) bool {
	fd := int(c.backend)
	if fd < 0 || !a.free[fd] || sys.KindOf(fd) != sys.SocketKind {
		return false
	}
	if c.backendID != 0 && !c.has(backendUnix) { // its own address says nothing: it may be the client's, and a door transparent
		peer, e := sys.PeerAddr(fd)
		if e != syscall.ENOTCONN {
			return e == 0 && a.in.backend(c.backendID).Address.isPeer(peer.AddrPort())
		}
	}
	return a.doorAt(fd) == nil // no other worker can have more than one such socket half made, and that one is closed as well
}
