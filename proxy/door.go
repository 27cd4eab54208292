package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/internal/sys"
)

// door is a listening socket. All workers wait at the same one (with
// EPOLLEXCLUSIVE, so that a client wakes one of them): what waits in its queue
// is lost to nobody when a worker or a listener comes or goes. A reload that
// keeps an address keeps its door, whichever listener it belongs to.
type door struct {
	id      uint32
	address Address
	fd      int
	holders atomic.Int32  // workers that accept here; the last one closes it
	inode   uint64        // of a unix socket: what to remove
	last    *listenerSlot // who accepted here when the door left the table
	gone    chan struct{} // closed when the socket is
}

// owner is the listener that accepts at the door.
func (d *door) owner(l *live) *listenerSlot {
	if l.door(d.id) == d {
		return l.owners[d.id]
	}
	return d.last
}

// door is the door of a number, nil if there is none.
func (l *live) door(id uint32) *door {
	if int(id) >= len(l.doors) {
		return nil
	}
	return l.doors[id]
}

func (l *live) doorAt(a Address) *door {
	for _, d := range l.doors {
		if d != nil && d.address == a {
			return d
		}
	}
	return nil
}

// openDoorAt opens a listening socket. One on [::] takes IPv4 as well, unless
// only6.
func openDoorAt(l *Listener, a Address, only6 bool) (*door, error) {
	fd, err := listenAt(l, a, only6)
	if err != nil {
		return nil, err
	}
	d := &door{address: a, fd: fd, gone: make(chan struct{})}
	if a.Unix != "" {
		if st, err := os.Lstat(a.Unix); err == nil {
			d.inode = st.Sys().(*syscall.Stat_t).Ino
		}
	}
	return d, nil
}

func listenAt(l *Listener, a Address, only6 bool) (int, error) {
	var address sys.Sockaddr
	if a.Unix != "" {
		if err := removeStale(a.Unix); err != nil {
			return -1, err
		}
		address = sys.UnixAddr(a.Unix)
	} else {
		address = sys.TCPAddr(a.TCP)
	}
	fd, e := sys.Socket(address.Family())
	if e == syscall.EAFNOSUPPORT && a.TCP.Addr() == netip.IPv6Unspecified() && !only6 {
		// A kernel without IPv6: every address there is is an IPv4 one.
		address = sys.TCPAddr(netip.AddrPortFrom(netip.IPv4Unspecified(), a.TCP.Port()))
		fd, e = sys.Socket(address.Family())
	}
	if e != 0 {
		return -1, fmt.Errorf("socket: %w", e)
	}
	if a.Unix == "" {
		sys.ReuseAddress(fd)
		if address.Family() == syscall.AF_INET6 {
			sys.OnlyIPv6(fd, only6)
		}
		l.Socket.apply(fd)
	}
	if e := sys.Bind(fd, &address); e != 0 {
		sys.Close(fd)
		return -1, fmt.Errorf("bind %s: %w", a, e)
	}
	if e := sys.Listen(fd, l.Backlog); e != 0 {
		sys.Close(fd)
		return -1, fmt.Errorf("listen %s: %w", a, e)
	}
	return fd, nil
}

// apply sets the options on a TCP socket. An accepted socket inherits them
// from the one that listens.
func (o *SocketOptions) apply(fd int) {
	sys.NoDelay(fd, o.NoDelay)
	o.applyKeepalive(fd)
	o.applyUserTimeout(fd)
}

func (o *SocketOptions) applyKeepalive(fd int) {
	if k := o.Keepalive; k.Idle > 0 {
		sys.Keepalive(fd, seconds(k.Idle), seconds(k.Interval), k.Count)
	}
}

func (o *SocketOptions) applyUserTimeout(fd int) {
	if o.UserTimeout > 0 {
		sys.UserTimeout(fd, int(o.UserTimeout/time.Millisecond))
	}
}

// reapply sets them all on a socket that may have others.
func (o *SocketOptions) reapply(fd int) {
	sys.NoKeepalive(fd)
	sys.UserTimeout(fd, 0)
	o.apply(fd)
}

func seconds(d time.Duration) int { return max(1, int((d+time.Second/2)/time.Second)) }

// removeStale removes a unix socket that nobody listens on any more.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	fd, e := sys.Socket(syscall.AF_UNIX)
	if e != 0 {
		return e
	}
	defer sys.Close(fd)
	address := sys.UnixAddr(path)
	if e := sys.Connect(fd, &address); e != syscall.ECONNREFUSED {
		return syscall.EADDRINUSE
	}
	return os.Remove(path)
}

// shut closes the socket and removes its path, unless another has taken it.
func (d *door) shut() {
	sys.Close(d.fd)
	if d.address.Unix == "" {
		return
	}
	if st, err := os.Lstat(d.address.Unix); err == nil && st.Sys().(*syscall.Stat_t).Ino == d.inode {
		os.Remove(d.address.Unix)
	}
}

// bound is where the door is, with the port the kernel chose.
func (d *door) bound() Address {
	a := d.address
	if a.Unix == "" && a.TCP.Port() == 0 {
		if local, e := sys.LocalAddr(d.fd); e == 0 {
			a.TCP = netip.AddrPortFrom(a.TCP.Addr(), local.AddrPort().Port())
		}
	}
	return a
}
