package proxy

import (
	"errors"
	"fmt"
	"syscall"

	"sluice/internal/sys"
)

// A door that takes MPTCP takes TCP too: what is accepted says which of the two its
// client speaks. A client's MPTCP socket is like one of TCP to the relay, but:
//
//	urgent bytes    are none; what would be sent as one would be payload
//	unread bytes    (SIOCINQ) count a FIN, for ever
//	TCP's counts    are those of one path; MPTCP has its own, which are as exact
//	a metered read  is not to be had, so the counts tell what was read
//
// Backends are connected by TCP.

// socket opens a socket to listen with, of TCP where MPTCP cannot be had.
func (r *Reach) socket(family int) (int, syscall.Errno) {
	if r.Multipath {
		if fd, e := multipathSocket(family); !lacksMPTCP(e) {
			return fd, e
		}
	}
	return sys.Socket(family)
}

// multipathSocket is sys.MultipathSocket, but where a test shows what another kernel
// does.
var multipathSocket = sys.MultipathSocket

// lacksMPTCP reports whether an errno of multipathSocket is about MPTCP and not about
// sockets as such.
func lacksMPTCP(e syscall.Errno) bool {
	switch e {
	case syscall.EPROTONOSUPPORT, syscall.EINVAL, syscall.ENOPROTOOPT, syscall.EPERM, syscall.EACCES:
		return true
	}
	return false
}

// whyNoMPTCP is why a socket for an address is not one of MPTCP. That may be over by
// now.
func whyNoMPTCP(a Address) syscall.Errno {
	at := a.sockaddr()
	fd, e := multipathSocket(at.Family())
	if e == 0 {
		sys.Close(fd)
		e = syscall.EPROTONOSUPPORT
	}
	return e
}

// tellNoMPTCP has it told, by one of the workers, that a door takes TCP alone.
func (w *worker) tellNoMPTCP(d *door) {
	if w.id == 0 && d.noMPTCP != 0 {
		w.notice(NoticeNoMPTCP, d.owner(w.live), d.noMPTCP)
	}
}

// takesMPTCP reports whether a door of a listener takes MPTCP.
func (l *live) takesMPTCP(of *listenerSlot) bool {
	for id, d := range l.doors {
		if d != nil && d.multipath && l.owners[id] == of {
			return true
		}
	}
	return false
}

// suits says what of the options a door cannot have. Of sockets that this process
// opens the configuration is checked for it.
func (d *door) suits(o *SocketOptions) error {
	if d.multipath && o.UserTimeout > 0 {
		return fmt.Errorf("%s: a socket of MPTCP has no user_timeout; leave it out", d.address)
	}
	return nil
}

// resetOnClose has a RST be what the other side sees when a socket of TCP is closed. One
// of MPTCP is reset at once: before Linux 7.1 it would see a FIN for all of SO_LINGER, and
// take a stream for whole that is cut.
func resetOnClose(fd int, multipath bool) {
	sys.ResetOnClose(fd)
	if multipath {
		sys.Disconnect(fd)
	}
}

// unread is how many bytes wait in the client's socket.
func (c *conn) unread() int {
	if c.has(clientMPTCP) {
		n, _ := sys.Waiting(int(c.client))
		return n
	}
	return sys.Unread(int(c.client))
}

// noteMultipathHungUp is noteHungUp for a client that speaks MPTCP, whose counts do
// not tell a FIN from a reset. Both its directions are closed: if this side has sent
// no FIN, it was reset.
func (w *worker) noteMultipathHungUp(c *conn) {
	if c.up.Ended() || c.down.Ended() || c.has(clientReset) {
		return
	}
	c.flags |= clientReset
	if e := sys.SocketError(int(c.client)); e != 0 {
		c.errnoOf(e)
	} else {
		c.errnoOf(syscall.ECONNRESET)
	}
}

// takenByMultipath is taken for an MPTCP socket.
func takenByMultipath(fd int) (uint64, error) {
	for range 1000 {
		before, e := sys.MultipathCounts(fd)
		if e != 0 {
			return 0, e
		}
		if sys.Failed(fd) {
			return 0, errors.New("it was reset")
		}
		n, e := sys.Waiting(fd)
		if e != 0 && e != syscall.EAGAIN {
			return 0, e
		}
		if after, e := sys.MultipathCounts(fd); e == 0 && after.Received == before.Received {
			return after.Received - uint64(n), nil
		}
	}
	return 0, errors.New("its counts never rest")
}

// givenByMultipath is given for an MPTCP socket.
func givenByMultipath(fd int) (uint64, error) {
	f, e := sys.MultipathCounts(fd)
	if e != 0 {
		return 0, e
	}
	if len(sys.HungUp([]int{fd})) > 0 {
		return 0, errors.New("it is closed")
	}
	return f.Written, nil
}
