package proxy

import (
	"encoding/hex"
	"syscall"

	"sluice/internal/sys"
	"sluice/proxy/greeting"
)

// SendProxy is whether the backends of a pool are told, before all else, whose
// connection it is.
type SendProxy uint8

// How they are told.
const (
	SendNone SendProxy = iota
	SendV1             // a line
	SendV2             // with TLVs
)

// greet sends the PROXY header to a backend that has just been connected. It
// reports false if the conn went another way, and whether TCP keeps the header for
// what follows it. A header of so few bytes finds
// room in a socket that was not written to, so it is sent whole or not at all.
//
// What the client has sent already goes into the same segment; nothing is waited
// for that has not come.
func (w *worker) greet(slot uint32, c *conn, how SendProxy) (done, more bool) {
	k := w.cardOf(slot, c)
	b := w.header(slot, c, k, how)
	if k.sent != 0 { // by a process before this one, if it came so far
		n, known := w.greeted(c, k)
		if !known {
			w.redial(slot, c)
			return false, false
		}
		if b = b[min(n, len(b)):]; len(b) == 0 {
			c.flags |= backendWrote
			return true, false
		}
	} else {
		k.sent = uint16(len(b))
	}
	fault("greeting noted")
	more = !c.has(backendUnix) && c.unread() > 0
	n, e := sys.Send(int(c.backend), b, more)
	fault("greeting sent")
	if n == len(b) {
		if !more {
			c.flags |= backendWrote // what follows must not wait for its acknowledgement
		}
		return true, more
	}
	if e == 0 {
		e = syscall.ENOBUFS
	}
	if w.another(slot, c, e) {
		w.connect(slot, c)
	}
	return false, false
}

// greeted is how many bytes of the header a backend was given. Only TCP counts
// them; else it is not known, and there is a new connection, with a new header.
func (w *worker) greeted(c *conn, k *card) (n int, known bool) {
	if c.has(backendUnix) {
		return 0, false
	}
	sent, err := given(int(c.backend), true)
	return int(sent), err == nil && sent <= uint64(k.sent)
}

// uncork sends the header that was kept for a first payload which has not come
// after all.
func (w *worker) uncork(c *conn) {
	if c.up.moved == 0 {
		c.flags |= backendNoDelay
		sys.NoDelay(int(c.backend), true)
	}
}

// ungreet forgets what a backend was sent that is given up.
func (w *worker) ungreet(slot uint32, c *conn) {
	if c.has(carded) {
		w.slab.card(slot).sent = 0
	}
}

// header writes the header of a conn. It comes out the same each time.
func (w *worker) header(slot uint32, c *conn, k *card, how SendProxy) []byte {
	g := &w.peek.greeting
	*g = greeting.Greeting{Family: k.family}
	switch k.family {
	case greeting.TCP:
		g.Source, g.Destination = k.from(), k.to()
	case greeting.Unix:
		g.Paths = k.rest[:pathsSize]
	case greeting.None:
		if local, e := sys.LocalAddr(int(c.client)); e == 0 && c.has(hasAddress) {
			g.Family, g.Source, g.Destination = greeting.TCP, c.clientAddress(), local.AddrPort()
		}
	}
	room := w.peek.room()[:0]
	if how == SendV1 {
		return g.AppendLine(room)
	}
	x := greeting.Extra{Received: k.tlvs(), Authority: k.name[:k.nameSize], UniqueID: w.uniqueID(k)}
	if k.alpnSize > 0 && int(k.alpn[0]) == int(k.alpnSize)-1 { // of several nobody knows which it will be
		x.ALPN = k.alpn[1:k.alpnSize]
	}
	return g.Append(room, &x)
}

// uniqueID is 32 letters and digits that tell a connection from all others.
func (w *worker) uniqueID(k *card) []byte {
	for k.unique == [16]byte{} {
		a, b := w.random.Uint64(), w.random.Uint64()
		for i := range 8 {
			k.unique[i], k.unique[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
		}
	}
	hex.Encode(w.peek.id[:], k.unique[:])
	return w.peek.id[:]
}
