package proxy

import (
	"sync/atomic"
	"unsafe"
)

// counter is written by one worker and read by anyone.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64) { c.n.Store(c.n.Load() + n) }

// counters are what one worker has counted.
type counters struct {
	accepted     counter
	acceptFails  counter
	paused       counter
	closed       [causes]counter
	up, down     counter
	retries      counter
	connectFails counter
	pipeFails    counter // fills that had to copy for want of a pipe
	refused      counter // conns on which splice was refused
	urgentLost   counter // urgent bytes that the sink could not take
	proxyHeaders counter // PROXY headers taken
	tlvsDropped  counter // of them, those of which a TLV had no room
	notTLS       counter // inspected clients that sent no ClientHello
	noName       counter // ClientHellos without a server name
	multipath    counter // conns whose client speaks MPTCP
}

// all are the counters in a row.
func (c *counters) all() []counter {
	return unsafe.Slice((*counter)(unsafe.Pointer(c)), unsafe.Sizeof(*c)/unsafe.Sizeof(counter{}))
}

// Stats are counts since start, and what is open now. Counts of different
// kinds are read one after the other, not at one instant.
type Stats struct {
	Accepted       uint64
	Active         int64
	Closed         map[Cause]uint64 // every cause, also those that are zero
	BytesUp        uint64           // of connections that have ended
	BytesDown      uint64
	Retries        uint64
	ConnectFails   uint64
	AcceptFails    uint64
	Paused         uint64 // how often a listener stopped accepting
	Dropped        uint64 // records and notices lost since the sinks were slow
	PipeFails      uint64 // fills that had to copy for want of a pipe
	SpliceRefused  uint64 // connections that had to be copied
	UrgentLost     uint64 // urgent bytes that the other side could not take
	ProxyHeaders   uint64 // PROXY headers taken from clients
	TLVsDropped    uint64 // of them, those of which a TLV had no room and is not passed on
	NotTLS         uint64 // inspected clients that did not begin with a ClientHello
	NoName         uint64 // ClientHellos without a server name
	Multipath      uint64 // connections whose client speaks MPTCP
	PipesOpen      int64
	PipesInUse     int64
	Workers        []int // connections of each worker
	MaxConnections int64
}

// Stats adds up what the workers have counted.
func (s *Server) Stats() Stats {
	t := Stats{Active: s.active.Load(), Closed: map[Cause]uint64{}, MaxConnections: s.limit}
	for _, w := range s.workers {
		t.Workers = append(t.Workers, int(w.load.Load()))
		c := w.count
		for _, sum := range [...]struct {
			to   *uint64
			from *counter
		}{
			{&t.Accepted, &c.accepted}, {&t.BytesUp, &c.up}, {&t.BytesDown, &c.down}, {&t.Retries, &c.retries},
			{&t.ConnectFails, &c.connectFails}, {&t.AcceptFails, &c.acceptFails}, {&t.Paused, &c.paused},
			{&t.PipeFails, &c.pipeFails}, {&t.SpliceRefused, &c.refused}, {&t.UrgentLost, &c.urgentLost},
			{&t.ProxyHeaders, &c.proxyHeaders}, {&t.TLVsDropped, &c.tlvsDropped}, {&t.NotTLS, &c.notTLS}, {&t.NoName, &c.noName},
			{&t.Multipath, &c.multipath},
		} {
			*sum.to += sum.from.n.Load()
		}
		for cause := range causes {
			t.Closed[cause] += c.closed[cause].n.Load()
		}
		t.Dropped += w.ring.dropped.Load()
		t.PipesOpen += w.pipes.open.Load()
		t.PipesInUse += w.pipes.used.Load()
	}
	return t
}
