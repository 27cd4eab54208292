package proxy

import (
	"net/netip"

	"sluice/proxy/guard"
)

// A listener that limits its sources has a table of them, which all workers share
// and a reload keeps. A conn that is counted in it notes the table's number, so
// that it leaves the one it entered. The table is not in the book: the next process
// counts the connections that it adopts.

type sourceTable struct {
	sources *guard.Sources // nil: sources are not limited
	number  uint8          // another one for each table that a listener has had; of the first 1
}

func (l *Listener) bySource() bool { return l.PerSource.Most > 0 || l.PerSource.Rate.Limited() }

// follow is the table that a listener has when it is as l says.
func (t sourceTable) follow(l *Listener, room int) sourceTable {
	if !l.bySource() {
		return sourceTable{number: t.number}
	}
	if t.sources == nil || t.sources.Prefix != l.SourcePrefix {
		if t.number++; t.number == 0 {
			t.number = 1
		}
		t.sources = guard.NewSources(room, l.SourcePrefix)
	}
	return t
}

// enterSource asks for one more connection of a source.
func (l *listenerSlot) enterSource(from netip.Addr, now int64) (why Cause, counted uint8) {
	if l.sources == nil {
		return Completed, 0
	}
	switch v, in := l.sources.Enter(l.sources.Key(from), now, l.PerSource); {
	case v == guard.TooMany:
		return SourceFull, 0
	case v == guard.TooFast:
		return SourceRateLimited, 0
	case in:
		return Completed, l.number
	}
	return Completed, 0
}

// leave takes back what enterSource or restore has counted.
func (l *listenerSlot) leave(counted uint8, from netip.Addr) {
	if counted != 0 && l.sources != nil && counted == l.number {
		l.sources.Leave(l.sources.Key(from))
	}
}

// leaveSource is leave of a conn that ends.
func (w *worker) leaveSource(slot uint32, c *conn) {
	if c.counted != 0 {
		w.live.listener(c.listener).leave(c.counted, w.source(slot, c).Addr())
		c.counted = 0
	}
}

// restore counts a conn that is there, unless the guards are still to be asked.
func (w *worker) restore(slot uint32, c *conn, l *listenerSlot) {
	c.counted = 0
	from := w.source(slot, c).Addr()
	if l.sources == nil || l.PerSource.Most == 0 || !from.IsValid() || c.phase == inspecting && !w.slab.card(slot).admitted {
		return
	}
	if l.sources.Restore(l.sources.Key(from)) {
		c.counted = l.number
	}
}
