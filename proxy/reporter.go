package proxy

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// reporter is the goroutine that empties the rings.
type reporter struct {
	server *Server
	asleep atomic.Bool
	bell   chan struct{}
	stop   chan struct{}
	done   chan struct{}
	lost   uint64 // dropped entries told of so far
	last   Record // told of last; used again
	card   cardTold
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
		for g := &w.ring; !g.empty(); some = true {
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
	in := r.server.live.Load() // has every number that an entry speaks of
	switch t.kind {
	case toldRecord, toldRefusal:
		if o.Record != nil {
			r.last = r.server.record(in, t)
			r.card.fill(&r.last, t, in)
			o.Record(&r.last)
		}
	case toldCard:
		r.card.take(t)
	case toldBegun:
		if o.Begun != nil {
			r.last = r.server.record(in, t)
			r.card.fill(&r.last, t, in)
			o.Begun(&r.last)
		}
	case toldNotice:
		if o.Notice != nil {
			o.Notice(Notice{Kind: t.notice, Listener: in.listener(t.listener).Name, Errno: syscall.Errno(t.errno)})
		}
	case toldFailure:
		if o.ConnectFailed != nil {
			b := in.backend(t.backend)
			o.ConnectFailed(b.pool.Name, b.Name, uint32(t.count), syscall.Errno(t.errno))
		}
	}
}

// record makes words of an entry's numbers and times of its clock readings.
func (s *Server) record(in *live, t *told) Record {
	l := in.listener(t.listener)
	r := Record{
		Listener: l.Name, Pool: l.Pool.Name,
		Accepted: time.Now().Add(-time.Duration(s.clock() - t.accepted)), // the wall clock may have been set since the start
		Connect:  span(t.connectAt, t.connected), FirstByte: span(t.connected, t.firstByte), Total: span(t.accepted, t.ended),
		Up: t.up, Down: t.down,
		RTT: time.Duration(t.rtt) * time.Microsecond, Retransmits: int(t.retransmits), Copied: t.copied,
		Queued: time.Duration(t.queued), FellBack: t.fellBack,
		Retries: int(t.retries), Cause: t.cause, Errno: syscall.Errno(t.errno),
	}
	if t.kind == toldRefusal {
		r.Refused, r.More = true, t.count-1
	}
	if t.port != 0 {
		r.Client = netip.AddrPortFrom(netip.AddrFrom16(t.address).Unmap(), t.port)
	}
	if t.backend != 0 {
		b := in.backend(t.backend)
		r.Backend, r.Pool = b.Name, b.pool.Name
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
