package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"sluice/internal/sys"
)

// door is a listening socket. All workers wait at the same one (with
// EPOLLEXCLUSIVE, so that a client wakes one of them): what waits in its queue
// is lost to nobody when a worker or a listener comes or goes. A reload that
// keeps an address keeps its door, whichever listener it belongs to.
type door struct {
	id uint32
	doorKey
	fd      int
	holders atomic.Int32 // workers that accept here; the last one closes it

	multipath bool          // it takes MPTCP
	noMPTCP   syscall.Errno // why it does not, though it should: to be told

	inode uint64        // of a unix socket: what to remove
	last  *listenerSlot // who accepted here when the door left the table
	gone  chan struct{} // closed when the socket is
}

// doorKey tells doors apart: a socket is kept over a reload if all of this stays
// the same.
type doorKey struct {
	address Address
	reach   Reach
	only6   bool   // on [::], and another socket has the IPv4 side of the port
	free    string // on port 0: whose it is and which of its binds, since each gets a port of its own
}

// keys are the doors that a listener of t needs, in the order of its binds.
func (t *Table) keys(l *Listener) []doorKey {
	keys := make([]doorKey, len(l.Bind))
	for i, a := range l.Bind {
		keys[i] = doorKey{address: a, reach: l.reachAt(a), only6: a.isIPv6Any() && t.hasIPv4Any(a.TCP.Port())}
		if a.Unix == "" && a.TCP.Port() == 0 {
			keys[i].free = fmt.Sprint(l.Name, " ", i)
		}
	}
	return keys
}

// reachAt is how an address is reached. The path of a unix socket is just there.
func (l *Listener) reachAt(a Address) Reach {
	if a.Unix != "" {
		return Reach{}
	}
	return l.Reach
}

// hasIPv4Any reports whether the table listens on every IPv4 address of a port
// by itself, so that [::] must not.
func (t *Table) hasIPv4Any(port uint16) bool {
	for _, l := range t.Listeners {
		for _, a := range l.Bind {
			if a.Unix == "" && port != 0 && a.TCP == netip.AddrPortFrom(netip.IPv4Unspecified(), port) {
				return true
			}
		}
	}
	return false
}

func (a Address) isIPv6Any() bool { return a.Unix == "" && a.TCP.Addr() == netip.IPv6Unspecified() }

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

// doorOf is the door of a key, nil if there is none or if its unix socket is no
// longer the one at its path.
func (l *live) doorOf(key doorKey) *door {
	for _, d := range l.doors {
		if d != nil && d.doorKey == key && d.inPlace() {
			return d
		}
	}
	return nil
}

// rivals are the doors on the port of an address, which stand in the way of a
// door there that covers more, less or the same in another way.
func (l *live) rivals(a Address) (rivals []*door) {
	for _, d := range l.doors {
		if d != nil && a.FD == 0 && d.address.FD == 0 && a.Unix == "" && d.address.Unix == "" && a.TCP.Port() != 0 && d.address.TCP.Port() == a.TCP.Port() {
			rivals = append(rivals, d)
		}
	}
	return rivals
}

// newDoor opens a listening socket. Two sockets may not overlap, so a reload
// that goes from 127.0.0.1:80 to :80 would be refused by its own old socket:
// where only rivals stand in the way they all share the port (SO_REUSEPORT) for
// the moment of the bind. It is not for longer, since then another process of
// this user could take the port without a word.
func newDoor(l *Listener, key doorKey, rivals []*door) (*door, error) {
	fd, err := key.listen(l, false)
	if errors.Is(err, syscall.EADDRINUSE) && len(rivals) > 0 {
		for _, d := range rivals {
			sys.SharePort(d.fd, true)
			defer sys.SharePort(d.fd, false)
		}
		fd, err = key.listen(l, true)
	}
	if err != nil {
		return nil, err
	}
	d := &door{doorKey: key, fd: fd, inode: key.address.inode(), gone: make(chan struct{})}
	if d.multipath = sys.Multipath(fd); key.reach.Multipath && !d.multipath {
		d.noMPTCP = whyNoMPTCP(key.address)
	}
	return d, nil
}

// inodeOf is what is at a path, 0 for nothing.
func inodeOf(path string) uint64 {
	if st, err := os.Lstat(path); path != "" && err == nil {
		return st.Sys().(*syscall.Stat_t).Ino
	}
	return 0
}

// inode is what is at the path of a unix socket that is ours to make and to
// remove, else 0.
func (a Address) inode() uint64 {
	if a.FD != 0 {
		return 0
	}
	return inodeOf(a.Unix)
}

// inPlace reports whether clients find the door at its address. The path of a
// unix socket may have been removed, or taken by another.
func (d *door) inPlace() bool { return d.address.inode() == d.inode }

// listen opens the socket. One on [::] takes IPv4 as well, unless only6.
func (k doorKey) listen(l *Listener, share bool) (int, error) {
	a := k.address
	if a.FD != 0 {
		return listenAt(l, a)
	}
	var address sys.Sockaddr
	if a.Unix != "" {
		if err := removeStale(a.Unix); err != nil {
			return -1, fmt.Errorf("bind %s: %w", a, err)
		}
		address = sys.UnixAddr(a.Unix)
	} else {
		address = sys.TCPAddr(a.TCP)
	}
	fd, e := k.reach.socket(address.Family())
	if e == syscall.EAFNOSUPPORT && a.isIPv6Any() && !k.only6 {
		// A kernel without IPv6: every address there is is an IPv4 one.
		address = sys.TCPAddr(netip.AddrPortFrom(netip.IPv4Unspecified(), a.TCP.Port()))
		fd, e = k.reach.socket(address.Family())
	}
	if e != 0 {
		return -1, fmt.Errorf("socket: %w", e)
	}
	if a.Unix == "" {
		sys.ReuseAddress(fd)
		if address.Family() == syscall.AF_INET6 {
			sys.OnlyIPv6(fd, k.only6)
		}
		sys.SharePort(fd, share)
		l.Socket.apply(fd)
		if err := k.reach.set(fd, address.Family()); err != nil {
			sys.Close(fd)
			return -1, fmt.Errorf("bind %s: %w", a, err)
		}
	}
	if e := sys.Bind(fd, &address); e != 0 {
		sys.Close(fd)
		return -1, fmt.Errorf("bind %s: %w", a, e)
	}
	if e := sys.Listen(fd, l.Backlog); e != 0 {
		sys.Close(fd)
		return -1, fmt.Errorf("listen %s: %w", a, e)
	}
	if share {
		sys.SharePort(fd, false)
	}
	return fd, nil
}

// listenAt makes a door of a socket that listens already: a copy of its
// descriptor, so that the socket is there for a reload that asks for it again.
func listenAt(l *Listener, a Address) (int, error) {
	fd, e := sys.Dup(a.FD)
	if e != 0 {
		return -1, fmt.Errorf("%s %s: %w", a.Socket, a, e)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		sys.Close(fd)
		return -1, fmt.Errorf("%s %s: %w", a.Socket, a, err)
	}
	if e := sys.Listen(fd, l.Backlog); e != 0 {
		sys.Close(fd)
		return -1, fmt.Errorf("listen %s %s: %w", a.Socket, a, e)
	}
	if a.Unix == "" {
		l.Socket.reapply(fd) // a listener before may have set others
	}
	return fd, nil
}

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
		return errors.New("there is a file that is not a socket")
	}
	fd, e := sys.Socket(syscall.AF_UNIX)
	if e != 0 {
		return e
	}
	defer sys.Close(fd)
	address := sys.UnixAddr(path)
	switch e := sys.Connect(fd, &address); e {
	case syscall.ECONNREFUSED:
		return os.Remove(path)
	case 0, syscall.EAGAIN:
		return syscall.EADDRINUSE
	case syscall.ENOENT: // gone meanwhile
		return nil
	default:
		return e
	}
}

// shut closes the socket and removes its path, unless another has taken it.
func (d *door) shut() {
	sys.Close(d.fd)
	if d.address.Unix != "" && d.address.FD == 0 && d.inPlace() {
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
