package proxy

import (
	"net/netip"
	"unsafe"
)

// What is told of a card goes before the record of its conn, in entries of the same
// ring: the name in pieces, each in the room where a record has its times and
// counts. If one is lost since the ring is full, so is the record.

const textSize = 64

// textOf is that room.
func textOf(t *told) *[textSize]byte { return (*[textSize]byte)(unsafe.Pointer(&t.accepted)) }

// The room ends before the entry does.
const _ = unsafe.Sizeof(told{}) - unsafe.Offsetof(told{}.accepted) - textSize

// reportCard tells of a conn's card what its record will say.
func (w *worker) reportCard(slot uint32, c *conn) {
	k := w.slab.card(slot)
	name := k.name[:k.nameSize]
	for at := 0; at == 0 || at < len(name); at += textSize {
		t := w.ring.slot()
		if t == nil {
			return
		}
		*t = told{kind: toldCard, listener: c.listener, slot: slot, generation: c.generation, errno: k.route, address: c.address, count: uint64(at)}
		if c.has(hasAddress) {
			t.port = c.port
		}
		t.retries = uint8(copy(textOf(t)[:], name[min(at, len(name)):]))
		w.told()
	}
}

// cardTold is what the reporter has been told of the card of the next record.
type cardTold struct {
	slot, generation uint32
	name             []byte
	peer             netip.AddrPort
	route            int
}

func (k *cardTold) take(t *told) {
	if t.count == 0 {
		*k = cardTold{slot: t.slot, generation: t.generation, name: k.name[:0], route: int(t.errno) - 1}
		if t.port != 0 {
			k.peer = netip.AddrPortFrom(netip.AddrFrom16(t.address).Unmap(), t.port)
		}
	}
	k.name = append(k.name, textOf(t)[:min(int(t.retries), len(textOf(t)))]...)
}

// fill adds to a record what was told of its card.
func (k *cardTold) fill(r *Record, t *told, in *live) {
	if k.generation != t.generation || k.slot != t.slot || t.generation == 0 {
		return
	}
	r.SNI = string(k.name)
	if k.peer != r.Client {
		r.Peer = k.peer
	}
	if k.route >= 0 {
		r.Routed, r.Route = true, k.route
	}
	if routes := in.listener(t.listener).Routes; routes != nil && t.backend == 0 && k.route >= 0 && k.route < routes.Len() {
		r.Pool = routes.Pool(k.route).Name
	}
	k.generation = 0
}
