package proxy

import (
	"net/netip"
	"syscall"

	"sluice/internal/sys"
	"sluice/proxy/greeting"
)

// A PROXY header is the only thing that is taken from a client: exactly it, and not
// before all of it has come. It is in the card first, so that it is not lost with the
// process.

// ProxyProtocol is whether a listener reads PROXY headers.
type ProxyProtocol uint8

// Whether it does.
const (
	ProxyOff      ProxyProtocol = iota
	ProxyOptional               // from those who are believed, if they send one
	ProxyRequired               // who is not believed, or sends none, is turned away
)

// believes reports whether a PROXY header from a client is taken for true. Who can
// open a unix socket is believed.
func (l *Listener) believes(client netip.Addr) bool {
	return !client.IsValid() || l.ProxyFrom != nil && l.ProxyFrom.Lookup(client)
}

// awaits reports whether a PROXY header may say who a client's connection is from.
func (l *Listener) awaits(client netip.Addr) bool { return l.Proxy != ProxyOff && l.believes(client) }

// lookForHeader reports whether there is more to look for.
func (w *worker) lookForHeader(slot uint32, c *conn, k *card, b []byte, ended bool) (again bool) {
	g := &w.peek.greeting
	v, need := g.Parse(b)
	if v == greeting.More && ended {
		if v = greeting.Malformed; len(b) == 0 {
			v = greeting.Absent
		}
	}
	switch v {
	case greeting.More:
		k.await(c, need)
		return false
	case greeting.Absent:
		if w.live.listener(c.listener).Proxy == ProxyRequired {
			w.turnBack(slot, c, ProxyHeaderMissing)
			return false
		}
		return w.afterHeader(slot, c, k)
	case greeting.Malformed:
		w.turnBack(slot, c, ProxyHeaderMalformed)
		return false
	}
	if !k.keep(g) {
		w.count.tlvsDropped.add(1)
	}
	k.taken = uint32(g.Size)
	if c.has(clientUnix) {
		if e := sys.Meter(int(c.client), g.Size); e != 0 {
			c.blame(Internal, e)
			w.close(slot, c, true)
			return false
		}
		fault("header metered")
	}
	k.stage = taking
	fault("header noted")
	return w.takeHeader(slot, c, k, g.Size)
}

// takeHeader takes the n bytes that are left of a PROXY header from the client.
func (w *worker) takeHeader(slot uint32, c *conn, k *card, n int) (again bool) {
	k.awaitAny(c)
	for n > 0 {
		got, e := sys.Read(int(c.client), w.peek.room()[:n])
		if e != 0 || got == 0 {
			c.blame(Internal, e) // they were there a moment ago
			w.close(slot, c, true)
			return false
		}
		n -= got
	}
	fault("header taken")
	if c.has(clientUnix) {
		sys.Unmeter(int(c.client))
		fault("header unmetered")
	}
	k.stage = after
	w.count.proxyHeaders.add(1)
	return w.afterHeader(slot, c, k)
}

// headerLeft is how many bytes are left of a header that another process was taking.
// The kernel tells: TCP counts what was read, and a unix socket is metered until all
// is. ok is false if the client is gone.
func headerLeft(c *conn, k *card) (n int, ok bool) {
	n = int(k.taken)
	if c.has(clientUnix) {
		got, err := sys.Metered(int(c.client), n)
		if err == syscall.ENODATA { // no more: all is taken
			return 0, true
		}
		return n - got, err == nil
	}
	got, err := taken(int(c.client))
	return n - min(n, int(got)), err == nil
}
