package proxy

import (
	"fmt"
	"net/netip"
	"time"

	"sluice/internal/sys"
	"sluice/proxy/greeting"
)

// A record may be damaged: by a fault of the process that wrote it, or of one that
// wrote where it should not. Going by it could give one client the bytes of
// another. So whatever no process that is in order can have written ends the
// connection, with a reset and a word about it.

// errnoMost is the highest errno of Linux (include/linux/err.h, MAX_ERRNO).
const errnoMost = 4095

// clockSlack is how far ahead of now a time may be that was noted before.
const clockSlack = int64(time.Second)

// nonsense says what in a conn cannot be so, "" if nothing.
func (a *adoption) nonsense(old *pastConn) string {
	c := &old.conn
	switch {
	case c.phase >= phases:
		return fmt.Sprintf("phase %d", c.phase)
	case c.cause >= causes:
		return fmt.Sprintf("cause %d", c.cause)
	case c.flags>>len(flagNames) != 0:
		return fmt.Sprintf("flags %#x", uint32(c.flags))
	case c.errno > errnoMost:
		return fmt.Sprintf("errno %d", c.errno)
	case !c.up.Sound() || !c.down.Sound():
		return "a flow in no possible state"
	case !c.tried.Sound():
		return "more backends tried than there is room for"
	case c.phase == closing || c.phase == counted:
		return "" // its descriptors are looked at by finish
	}
	for _, at := range [...]int64{c.accepted, c.queuedAt, c.connectAt, c.connected, c.firstByte, c.lastMove, c.brokenAt} {
		if at < 0 || at > a.clock()+clockSlack {
			return fmt.Sprintf("a time of %d ns", at)
		}
	}
	switch {
	case a.named[c.client] > 1:
		return fmt.Sprintf("descriptor %d is named twice", c.client)
	case c.backend >= 0 && a.named[c.backend] > 1:
		return fmt.Sprintf("descriptor %d is named twice", c.backend)
	case a.clientIsAnother(c):
		return fmt.Sprintf("descriptor %d is another client", c.client)
	case a.backendIsAnother(c):
		return fmt.Sprintf("descriptor %d is not its backend", c.backend)
	}
	return a.cardFault(old)
}

// cardFault says what in the card of a conn cannot be so.
func (a *adoption) cardFault(old *pastConn) string {
	c := &old.conn
	if !c.has(carded) {
		if c.phase == inspecting {
			return "it is inspected and has no card"
		}
		return ""
	}
	if lacks := a.past.lacksOf("card"); len(lacks) > 0 {
		return "its card has no " + lacks[0]
	}
	k, known := pastOf[card](a.past, "card", old.worker, old.slot)
	switch {
	case !known:
		return "its card has a meaning that is not known"
	case k.fault() != "":
		return k.fault()
	case c.phase == inspecting && c.backend >= 0:
		return "it is inspected and has a backend"
	case c.phase != inspecting && k.stage != fresh && k.stage != inspected:
		return "it has a backend, and its card says " + stageNames[k.stage]
	}
	took, gave := k.ahead()
	if n, err := taken(int(c.client)); err == nil && n < took {
		return fmt.Sprintf("a PROXY header of %d bytes was taken of %d", took, n)
	}
	if n, err := given(int(c.backend), true); err == nil && c.phase != inspecting && c.phase != connecting && n < gave {
		return fmt.Sprintf("a PROXY header of %d bytes was sent in %d", gave, n)
	}
	return ""
}

// fault says what in a card cannot be so, whosever it is.
func (k *card) fault() string {
	most := len(k.rest)
	if k.family == greeting.Unix {
		most -= pathsSize
	}
	switch {
	case k.stage >= stages:
		return fmt.Sprintf("stage %d", k.stage)
	case k.family > greeting.Unix:
		return fmt.Sprintf("addresses of kind %d", k.family)
	case int(k.tlvSize) > most:
		return fmt.Sprintf("%d bytes of TLVs", k.tlvSize)
	case int(k.alpnSize) > len(k.alpn):
		return fmt.Sprintf("%d bytes of ALPN", k.alpnSize)
	case int(k.taken) > greeting.Longest:
		return fmt.Sprintf("a PROXY header of %d bytes", k.taken)
	}
	return ""
}

// countNames counts how often each descriptor is named by conns that are not being
// closed. A process that is in order names none twice: it crosses a number out, or
// says that it is closing, before it closes.
func (a *adoption) countNames() {
	a.named = map[int32]int{}
	for i := range a.past.layout.Shape.Workers {
		for slot := range a.used(i) {
			c, _ := pastOf[conn](a.past, "conn", i, slot+1)
			switch c.phase {
			case inspecting, connecting, waiting, relaying, breaking, sending, lingering:
				if c.generation != 0 {
					a.named[c.client]++
					a.named[c.backend]++
				}
			}
		}
	}
}

// used is how many slots of old worker i may have a conn.
func (a *adoption) used(i int) int {
	old, _ := pastOf[page](a.past, "page", i, 0)
	return max(0, min(int(old.used), a.past.layout.Shape.Conns-1))
}

// clientIsAnother reports whether the descriptor that a conn names is open and is
// certainly not its client.
func (a *adoption) clientIsAnother(c *conn) bool {
	fd := int(c.client)
	if !a.free[fd] {
		return false // gone, which conn says
	}
	if c.has(clientUnix) {
		return sys.Cookie(fd) != c.cookie()
	}
	peer, e := sys.PeerAddr(fd)
	return sys.KindOf(fd) != sys.SocketKind || e == 0 && peer.AddrPort() != c.clientAddress()
}

// backendIsAnother reports the same of its backend.
func (a *adoption) backendIsAnother(c *conn) bool {
	fd := int(c.backend)
	if !a.free[fd] {
		return false
	}
	switch c.phase {
	case waiting, sending, lingering: // it has the fallback file, if anything
		return sys.KindOf(fd) != sys.Other
	}
	b := a.in.backendOf(c.backendID)
	if b == nil {
		return false
	}
	if sys.KindOf(fd) != sys.SocketKind || c.has(backendUnix) != (b.Address.Unix != "") {
		return true
	}
	peer, e := sys.PeerAddr(fd)
	return e == 0 && !c.has(backendUnix) && !b.Address.isPeer(peer.AddrPort())
}

// isPeer reports whether a socket that was connected to an address may say that this is
// who it is connected to. Of 0.0.0.0 and [::] the kernel makes an address of its own.
func (a *Address) isPeer(peer netip.AddrPort) bool {
	return a.TCP.Addr().IsUnspecified() && a.TCP.Port() == peer.Port() || bare(peer) == bare(a.TCP)
}

// bare is an address as it is compared.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// doubtful has a conn reset whose record cannot be gone by. What it names may be
// another's, so it waits until those have claimed theirs.
func (a *adoption) doubtful(old pastConn, fault string) {
	c := &old.conn
	a.why(fmt.Sprintf("a connection of listener %d, with descriptors %d and %d, is reset: %s", c.listener, c.client, c.backend, fault))
	a.carried.Reset++
	c.cause, c.errno = Internal, 0
	if c.phase != counted {
		c.phase = closing
	}
	c.flags = c.flags&(1<<len(flagNames)-1) | resetting
	if !c.tried.Sound() {
		c.tried = conn{}.tried
	}
	old.doubtful = true
	a.closing = append(a.closing, old)
}

// lost counts a conn of which nothing more can be told.
func (a *adoption) lost(w *worker) {
	a.carried.Reset++
	w.count.closed[Internal].add(1)
}
