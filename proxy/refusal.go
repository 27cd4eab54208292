package proxy

import "time"

// Clients that are turned away at the door are told of as notices are: the first
// at once, and those that follow summed, so that an attack fills neither the log
// nor the ring.
//
//	silent --first: told--> quiet for refusalQuiet --none came--> silent
//	                          ^        |
//	                          +--some came: the last is told, with their number

// refusalQuiet is how long one told keeps others of its listener and cause from
// being told.
const refusalQuiet = time.Second

type refusalOf struct {
	listener uint32
	why      Cause
}

// refusal is what was not told yet.
type refusal struct {
	count   uint64
	toldAt  int64
	last    int64 // when the last one came
	address [16]byte
	port    uint16
}

// refuseAtDoor notes a client that was turned away. w.client says who.
func (w *worker) refuseAtDoor(l *listenerSlot, why Cause) {
	if w.server.options.Record == nil {
		return
	}
	of := refusalOf{l.id, why}
	r := w.refused[of]
	if r == nil {
		r = &refusal{}
		w.refused[of] = r
	}
	r.count++
	r.last = w.now
	r.address, r.port = [16]byte{}, 0
	if p := w.client.AddrPort(); p.IsValid() {
		r.address, r.port = p.Addr().As16(), p.Port()
	}
	if r.toldAt == 0 {
		w.tellRefusal(of, r)
	}
	w.houseBy(refusalQuiet)
}

// tellRefusals tells what has waited long enough, or all of it.
func (w *worker) tellRefusals(all bool) {
	for of, r := range w.refused {
		if due := r.toldAt + int64(refusalQuiet); !all && due > w.now {
			w.houseBy(time.Duration(due - w.now))
			continue
		}
		if r.count == 0 {
			delete(w.refused, of)
			continue
		}
		if w.tellRefusal(of, r); all {
			w.ring.dropped.Add(r.count)
			delete(w.refused, of)
		} else {
			w.houseBy(refusalQuiet)
		}
	}
}

// tellRefusal leaves the count as it is if the ring is full.
func (w *worker) tellRefusal(of refusalOf, r *refusal) {
	r.toldAt = w.now
	if t := w.ring.slot(); t != nil {
		*t = told{
			kind: toldRefusal, cause: of.why, listener: of.listener, address: r.address, port: r.port,
			accepted: r.last, ended: r.last, count: r.count,
		}
		w.told()
		r.count = 0
	}
}
