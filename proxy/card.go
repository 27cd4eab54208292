package proxy

import (
	"net/netip"
	"unsafe"

	"sluice/proxy/greeting"
	"sluice/proxy/hello"
)

// card is what is remembered of a conn beside its record: who it really is from and
// what it asked for. Only conns of listeners that look at first bytes, or of pools
// that are sent a PROXY header, have one (carded). It is in the book, at the place
// that its conn has among the conns, since a PROXY header that was taken from the
// socket is nowhere else.
//
// Of a header the addresses are kept, and of its TLVs those that fit into rest, each
// whole, in their order; UNSPEC and LOCAL keep none of the addresses.
type card struct {
	taken uint32 // bytes of a PROXY header that were taken from the client, or are about to be: see stage
	sent  uint16 // bytes of a PROXY header that the backend is sent before all else; 0: none yet
	route uint16 // 1 + the number of the route that took it; 0: none did

	lowWater uint32 // the low-water mark that the client's socket was asked for; 0: none
	stage    stage
	waiting  bool // there is one: for a program of before, which would go on with nothing else
	family   greeting.Family
	nameSize uint8
	alpnSize uint8
	admitted bool // the guards have let it in
	tlvSize  uint16

	source, destination         [16]byte
	sourcePort, destinationPort uint16
	unique                      [16]byte // zero: none was made

	name [255]byte
	_    uint8
	alpn [hello.ALPNMost]byte
	rest [552]byte // two paths of 108 bytes, if family is Unix, and TLVs
}

const pathsSize = 216

// stage is how far the inspection of a conn has come:
//
//	fresh --> header --> taking --> after
//	  |         |                     |
//	  +---------+-----> hello <-------+     each one may be left out
//	                      |
//	                      v
//	                  inspected
type stage uint8

const (
	fresh       stage = iota // nothing is decided
	awaitHeader              // a PROXY header may come
	taking                   // one is noted in the card, and on its way from the socket
	after                    // it is taken
	awaitHello               // a ClientHello may come
	inspected
	stages
)

var stageNames = [stages]string{"fresh", "awaitHeader", "taking", "after", "awaitHello", "inspected"}

// card is that of a slot, whether its conn has one or not.
func (s *slab) card(slot uint32) *card { return &s.cards[slot] }

// cardOf gives a conn a card, unless it has one.
func (w *worker) cardOf(slot uint32, c *conn) *card {
	k := w.slab.card(slot)
	if !c.has(carded) {
		k.clear()
		c.flags |= carded
	}
	return k
}

// clear makes a card that was used before a new one. What sizes say is not there
// needs no zeroes.
func (k *card) clear() {
	n := unsafe.Offsetof(k.name)
	clear(unsafe.Slice((*byte)(unsafe.Pointer(k)), n))
}

// keep notes what a PROXY header says. It reports false if not all of it fits.
func (k *card) keep(g *greeting.Greeting) (all bool) {
	k.family = g.Family
	k.source, k.sourcePort = g.Source.Addr().As16(), g.Source.Port()
	k.destination, k.destinationPort = g.Destination.Addr().As16(), g.Destination.Port()
	room := k.rest[:]
	if g.Family == greeting.Unix {
		room = room[copy(room, g.Paths):]
	}
	n, all := greeting.Keep(room, g.TLVs)
	k.tlvSize = uint16(n)
	return all
}

// see notes what a ClientHello says.
func (k *card) see(h *hello.Hello) {
	k.nameSize = uint8(copy(k.name[:], h.Name()))
	k.alpnSize = uint8(copy(k.alpn[:], h.ALPN()))
}

// tlvs are those that are passed on.
func (k *card) tlvs() []byte {
	at := 0
	if k.family == greeting.Unix {
		at = pathsSize
	}
	return k.rest[at : at+int(k.tlvSize)]
}

// serverName is what the client asked for, "" if nothing. It is valid as long as
// the card is.
func (k *card) serverName() string { return unsafe.String(&k.name[0], int(k.nameSize)) }

func (k *card) from() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(k.source).Unmap(), k.sourcePort)
}

func (k *card) to() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(k.destination).Unmap(), k.destinationPort)
}

// source is who a conn is from as far as sluice believes: the address in the PROXY
// header, or else the client's; zero for a unix socket.
func (w *worker) source(slot uint32, c *conn) netip.AddrPort {
	if c.has(carded) {
		switch k := w.slab.card(slot); k.family {
		case greeting.TCP:
			return k.from()
		case greeting.Unix:
			return netip.AddrPort{}
		}
	}
	return c.clientAddress()
}

// ahead is how many bytes were taken from the client, and given to the backend, that
// are no part of the relay.
func (k *card) ahead() (taken, given uint64) {
	if k.stage != taking { // then nobody knows; the kernel is asked
		taken = uint64(k.taken)
	}
	return taken, uint64(k.sent)
}
