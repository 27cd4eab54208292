package proxy

import "sluice/balancer"

// poolFor is the pool that a conn goes to as its listener is now: that of the first
// route that fits, and the listener's own if none does. nil: the listener has none.
func (w *worker) poolFor(slot uint32, c *conn) *Pool {
	l := w.live.listener(c.listener)
	if l.Routes == nil {
		return l.Pool
	}
	k := w.cardOf(slot, c)
	i := l.Routes.Match(k.serverName(), k.alpn[:k.alpnSize], w.source(slot, c).Addr())
	k.route = uint16(min(i+1, 1<<16-1))
	switch {
	case i >= 0:
		return l.Routes.Pool(i)
	case l.Pool.Name == "": // see Nowhere
		return nil
	}
	return l.Pool
}

// hashKey is what source_hash and maglev go by.
func (w *worker) hashKey(slot uint32, c *conn, on HashOn) uint64 {
	switch {
	case on == HashListener:
		return balancer.HashString(w.live.listener(c.listener).Name)
	case on == HashSNI && c.has(carded) && w.slab.card(slot).nameSize > 0:
		return balancer.HashString(w.slab.card(slot).serverName())
	}
	return balancer.HashAddr(w.source(slot, c).Addr())
}
