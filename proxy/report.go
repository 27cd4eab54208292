package proxy

import (
	"sync/atomic"
	"syscall"
	"time"
)

// Workers tell what happened through a ring each, which one goroutine empties
// into the sinks of Options. A worker never waits for it: when the ring is
// full, what it would tell is dropped and counted, and the count is told as
// soon as there is room. Waking a goroutine costs as much as a request, so a
// worker lets entries gather for a few milliseconds.

// told is one entry of a ring: a finished connection, a notice or a failed
// connect.
type told struct {
	kind       toldKind
	notice     NoticeKind
	cause      Cause
	retries    uint8
	errno      uint16
	port       uint16
	address    [16]byte // of the client; port 0: a unix socket
	listener   uint32   // by number, as in a conn
	backend    uint32
	slot       uint32 // of a record: of which conn
	generation uint32
	count      uint64 // failed connects in a row; of a refusal, how many it stands for

	accepted, connectAt, connected, firstByte, ended int64
	up, down                                         uint64
	queued                                           int64  // how long it waited for a backend; 0: it did not have to
	rtt, retransmits                                 uint32 // of the backend's socket; rtt 0: not asked for
	copied, fellBack                                 bool
}

type toldKind uint8

const (
	toldRecord toldKind = iota
	toldNotice
	toldFailure
	toldCard // see tellcard.go
	toldBegun
	toldRefusal
	toldKinds
)

var toldNames = [toldKinds]string{"record", "notice", "failure", "card", "begun", "refusal"}

// ringSize is how many entries wait for the sinks: at 20,000 connections a
// second, 0.4 s.
const ringSize = 1 << 13

// ring has one writer, its worker, and one reader, the reporter. It is in the
// book: what was not told is told by the next process.
type ring struct {
	*ringMarks
	entries []told
	clean   uint64 // tail when the memory was last given back
}

type ringMarks struct {
	head    atomic.Uint64 // next to be read
	_       [56]byte
	tail    atomic.Uint64 // next to be written
	dropped atomic.Uint64
}

// slot is where the next entry goes, nil if the ring is full.
func (r *ring) slot() *told {
	if r.tail.Load()-r.head.Load() == ringSize {
		r.dropped.Add(1)
		return nil
	}
	return &r.entries[r.tail.Load()%ringSize]
}

// empty reports whether everything was told.
func (r *ring) empty() bool { return r.head.Load() == r.tail.Load() }

func (r *ring) put() { r.tail.Add(1) }

// clear gives the memory of entries that were told back to the system, if it is
// much.
func (r *ring) clear() {
	if tail := r.tail.Load(); tail-r.clean > ringKeep && r.empty() {
		r.clean = tail
		forget(r.entries)
	}
}

// ringKeep is how many entries an empty ring keeps touched.
const ringKeep = 512

// half reports whether the ring is half full.
func (r *ring) half() bool { return r.tail.Load()-r.head.Load() > ringSize/2 }

// tellAfter is how long entries wait for others to be told with them.
const tellAfter = 10 * time.Millisecond

// told ends the writing of an entry.
func (w *worker) told() {
	w.ring.put()
	if w.tellAt == 0 {
		w.tellAt = w.now + int64(tellAfter)
	}
}

// wakeReporter has the entries told that have waited long enough, or are many.
func (w *worker) wakeReporter() {
	if w.tellAt != 0 && (w.tellAt <= w.now || w.ring.half()) {
		w.tellAt = 0
		w.server.reporter.wake()
		w.houseBy(trimAfter)
	}
}

// countEnd counts a conn among those that have ended.
func (w *worker) countEnd(c *conn) {
	w.count.closed[c.cause].add(1)
	w.count.up.add(c.up.moved)
	w.count.down.add(c.down.moved)
}

// report tells of a conn that is being closed, once: after a crash it may have
// been told of already.
func (w *worker) report(slot uint32, c *conn) {
	if w.server.options.Record != nil {
		w.reportAs(toldRecord, slot, c)
	}
}

// reportAs tells of a conn as it is now.
func (w *worker) reportAs(kind toldKind, slot uint32, c *conn) {
	if c.has(carded) {
		w.reportCard(slot, c)
	}
	t := w.ring.slot()
	if t == nil {
		return
	}
	*t = told{
		kind: kind, cause: c.cause, retries: c.retries, errno: c.errno,
		listener: c.listener, backend: c.backendID, address: c.address, slot: slot, generation: c.generation,
		accepted: c.accepted, connectAt: c.connectAt, connected: c.connected, firstByte: c.firstByte,
		ended: w.server.clock(), up: c.up.moved, down: c.down.moved,
		rtt: w.rtt, retransmits: w.retransmits, copied: c.has(copied), fellBack: c.has(fellBack),
	}
	if c.queuedAt != 0 {
		t.queued = c.waited(t.ended)
	}
	if c.has(hasAddress) {
		t.port = c.port
	}
	if c.has(carded) {
		from := w.source(slot, c)
		t.address, t.port = from.Addr().As16(), from.Port()
	}
	if t.backend == 0 {
		t.backend = c.tried.Last()
	}
	w.told()
}

func (w *worker) notice(kind NoticeKind, l *listenerSlot, e syscall.Errno) {
	if t := w.ring.slot(); t != nil {
		*t = told{kind: toldNotice, notice: kind, listener: l.id, errno: uint16(e)}
		w.told()
	}
}

func (w *worker) reportFailedConnect(b *backendSlot, e syscall.Errno) {
	inARow := b.Load.ConnectFailed()
	w.count.connectFails.add(1)
	if t := w.ring.slot(); t != nil {
		*t = told{kind: toldFailure, backend: b.Load.ID, errno: uint16(e), count: uint64(inARow)}
		w.told()
	}
}
