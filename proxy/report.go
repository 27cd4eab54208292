package proxy

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Workers tell what happened through a ring each, which one goroutine empties
// into the sinks of Options. A worker never waits for it: when the ring is
// full, what it would tell is dropped and counted, and the count is told as
// soon as there is room.

// told is one entry of a ring: a finished connection, a notice or a failed
// connect.
type told struct {
	kind     toldKind
	notice   NoticeKind
	cause    Cause
	retries  uint8
	errno    uint16
	listener *Listener
	pool     *Pool
	backend  *Backend
	client   netip.AddrPort
	count    uint64 // failed connects in a row

	accepted, connectAt, connected, firstByte, ended int64
	up, down                                         uint64
}

type toldKind uint8

const (
	toldRecord toldKind = iota
	toldNotice
	toldFailure
)

// ringSize is how many entries wait for the sinks: at 20,000 connections a
// second, 0.4 s.
const ringSize = 1 << 13

// ring has one writer, its worker, and one reader, the reporter.
type ring struct {
	entries []told
	head    atomic.Uint64 // next to be read
	_       [56]byte
	tail    atomic.Uint64 // next to be written
	dropped atomic.Uint64
}

func newRing() *ring { return &ring{entries: make([]told, ringSize)} }

// slot is where the next entry goes, nil if the ring is full.
func (r *ring) slot() *told {
	if r.tail.Load()-r.head.Load() == ringSize {
		r.dropped.Add(1)
		return nil
	}
	return &r.entries[r.tail.Load()%ringSize]
}

func (r *ring) put() { r.tail.Add(1) }

// report tells of a conn that is being closed, and counts it.
func (w *worker) report(c *conn) {
	w.count.closed[c.cause].add(1)
	w.count.up.add(c.up.moved)
	w.count.down.add(c.down.moved)
	if w.server.options.Record == nil {
		return
	}
	t := w.ring.slot()
	if t == nil {
		return
	}
	l := w.live.listener(c.listener)
	*t = told{
		kind: toldRecord, cause: c.cause, retries: c.retries, errno: c.errno,
		listener: l.Listener, pool: l.Pool, client: c.clientAddress(),
		accepted: c.accepted, connectAt: c.connectAt, connected: c.connected, firstByte: c.firstByte,
		ended: w.server.clock(), up: c.up.moved, down: c.down.moved,
	}
	if id := c.backendID; id != 0 {
		t.backend, t.pool = w.live.backend(id).Backend, w.live.backend(id).pool
	} else if id := c.tried.Last(); id != 0 {
		t.backend, t.pool = w.live.backend(id).Backend, w.live.backend(id).pool
	}
	w.ring.put()
	w.server.reporter.wake()
}

func (w *worker) notice(kind NoticeKind, l *listenerSlot, e syscall.Errno) {
	if t := w.ring.slot(); t != nil {
		*t = told{kind: toldNotice, notice: kind, listener: l.Listener, errno: uint16(e)}
		w.ring.put()
		w.server.reporter.wake()
	}
}

func (w *worker) reportFailedConnect(b *backendSlot, e syscall.Errno) {
	inARow := b.Load.ConnectFailed()
	w.count.connectFails.add(1)
	if t := w.ring.slot(); t != nil {
		*t = told{kind: toldFailure, pool: b.pool, backend: b.Backend, errno: uint16(e), count: uint64(inARow)}
		w.ring.put()
		w.server.reporter.wake()
	}
}

// reporter is the goroutine that empties the rings.
type reporter struct {
	server *Server
	asleep atomic.Bool
	bell   chan struct{}
	stop   chan struct{}
	done   chan struct{}
	lost   uint64 // dropped entries told of so far
}

func newReporter(s *Server) *reporter {
	return &reporter{server: s, bell: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// wake costs a worker one load while the reporter is at work.
func (r *reporter) wake() {
	if r.asleep.Load() && r.asleep.CompareAndSwap(true, false) {
		select {
		case r.bell <- struct{}{}:
		default:
		}
	}
}

func (r *reporter) run() {
	defer close(r.done)
	for {
		if r.sweep() {
			continue
		}
		r.asleep.Store(true)
		if r.sweep() { // something came before asleep was seen
			r.asleep.Store(false)
			continue
		}
		select {
		case <-r.bell:
		case <-r.stop:
			for r.sweep() {
			}
			return
		}
	}
}

// sweep tells everything that waits in the rings, and reports whether there
// was anything.
func (r *reporter) sweep() bool {
	some := false
	dropped := uint64(0)
	for _, w := range r.server.workers {
		for g := w.ring; g.head.Load() != g.tail.Load(); some = true {
			r.tell(&g.entries[g.head.Load()%ringSize])
			g.head.Add(1)
		}
		dropped += w.ring.dropped.Load()
	}
	if dropped > r.lost {
		if notice := r.server.options.Notice; notice != nil {
			notice(Notice{Kind: NoticeDropped, Count: dropped - r.lost})
		}
		r.lost = dropped
	}
	return some
}

func (r *reporter) tell(t *told) {
	o := &r.server.options
	switch t.kind {
	case toldRecord:
		o.Record(r.server.record(t))
	case toldNotice:
		if o.Notice != nil {
			o.Notice(Notice{Kind: t.notice, Listener: t.listener.Name, Errno: syscall.Errno(t.errno)})
		}
	case toldFailure:
		if o.ConnectFailed != nil {
			o.ConnectFailed(t.pool.Name, t.backend.Name, uint32(t.count), syscall.Errno(t.errno))
		}
	}
}

// record makes times of an entry's clock readings.
func (s *Server) record(t *told) *Record {
	r := &Record{
		Listener: t.listener.Name, Pool: t.pool.Name, Client: t.client,
		Accepted: time.Now().Add(-time.Duration(s.clock() - t.accepted)), // the wall clock may have been set since the start
		Connect:  span(t.connectAt, t.connected), FirstByte: span(t.connected, t.firstByte), Total: span(t.accepted, t.ended),
		Up: t.up, Down: t.down,
		Retries: int(t.retries), Cause: t.cause, Errno: syscall.Errno(t.errno),
	}
	if t.backend != nil {
		r.Backend = t.backend.Name
	}
	return r
}

// span is the time between two points, -1 if the second was not reached.
func span(from, to int64) time.Duration {
	if to == 0 {
		return -1
	}
	return time.Duration(to - from)
}
