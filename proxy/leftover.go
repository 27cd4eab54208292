package proxy

import (
	"fmt"

	"sluice/internal/sys"
)

// leftOver closes what nobody has claimed, but for sockets that were accepted and
// not yet noted: those begin now.
func (a *adoption) leftOver() {
	next := 0
	for fd, untouched := range a.free {
		if !untouched { // condemned
			resetOnClose(fd, sys.Multipath(fd))
			sys.Close(fd)
			continue
		}
		if l := a.accepted(fd); l != nil {
			sys.CloseOnExec(fd)
			a.active.Add(1)
			l.active.Add(1)
			w := a.workers[next%len(a.workers)]
			w.orphans = append(w.orphans, orphan{fd, l})
			next++
			a.carried.Connections++
			a.carried.Accepted++
			continue
		}
		if _, e := sys.PeerAddr(fd); e == 0 {
			resetOnClose(fd, sys.Multipath(fd)) // a FIN would say that the stream is whole
		}
		sys.Close(fd)
		a.carried.Closed++
	}
	clear(a.free)
}

// untouched reports whether an accepted TCP socket was neither read from nor
// written to.
func untouched(fd int) bool {
	in, e1 := taken(fd)
	out, e2 := given(fd, false)
	return e1 == nil && e2 == nil && in == 0 && out == 0
}

// orphan is a socket that was accepted and not noted.
type orphan struct {
	fd    int
	owner *listenerSlot
}

// accepted is the listener of a socket that a client is at the other side of, nil
// if it is not one.
func (a *adoption) accepted(fd int) *listenerSlot {
	if sys.KindOf(fd) != sys.SocketKind || sys.Accepts(fd) {
		return nil
	}
	d := a.doorAt(fd)
	if d == nil {
		return nil
	}
	if _, e := sys.PeerAddr(fd); e != 0 {
		return nil // it has gone already
	}
	if _, e := sys.TCP(fd); e == 0 && !untouched(fd) {
		a.why(fmt.Sprintf("descriptor %d: bytes were moved for a client of whom there is no record, or cannot be counted", fd))
		return nil
	}
	return d.owner(a.in)
}

// doorAt is the door that a socket came in by, as its own address shows.
func (a *adoption) doorAt(fd int) *door {
	local, e := sys.LocalAddr(fd)
	if e != 0 {
		return nil
	}
	var best *door
	score := 0
	for _, d := range a.doors() {
		if n := d.covers(&local); n > score {
			best, score = d, n
		}
	}
	return best
}

// doors are those of the table in force, and those that are about to be closed.
func (a *adoption) doors() (doors []*door) {
	for _, d := range a.in.doors {
		if d != nil {
			doors = append(doors, d)
		}
	}
	return append(doors, a.leaving...)
}

// covers says how well a door's address fits that of an accepted socket; 0: not.
func (d *door) covers(local *sys.Sockaddr) int {
	if d.address.Unix != "" {
		if local.Path() == d.address.Unix {
			return 3
		}
		return 0
	}
	at, to := d.bound().TCP, local.AddrPort()
	switch own := at.Addr().Unmap(); {
	case to.IsValid() && d.reach.Transparent && (own.IsUnspecified() || at.Port() != to.Port()):
		return 1 // whatever address it was connected to at, which a firewall may have led here
	case !to.IsValid() || at.Port() != to.Port():
		return 0
	case own.WithZone("") == to.Addr().WithZone(""):
		return 3
	case own.IsUnspecified() && own.Is4() == to.Addr().Is4():
		return 2
	case own.IsUnspecified() && own.Is6() && !d.only6:
		return 1
	}
	return 0
}
