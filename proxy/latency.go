package proxy

import "time"

// What least_latency goes by is measured here and in sample: pools of another
// policy pay nothing for it.

// Latency is what least_latency reckons a backend takes to answer; 0 if nothing
// is known of it, or its pool has another policy.
func (s *Server) Latency(b *Backend) time.Duration { return b.Load.Latency(s.clock()) }

// timeConnect tells how long a connect took: by the kernel, which does not count
// the time for which this worker was busy with others. Where a handshake was sent
// more than once the kernel has no measure, and the backend, or the way to it,
// earns the whole wait.
func (w *worker) timeConnect(c *conn) {
	b := w.live.backend(c.backendID)
	if !b.pool.Latency {
		return
	}
	took := time.Duration(c.connected - c.connectAt)
	if !c.has(backendUnix) && w.info.Read(int(c.backend)) == 0 && w.info.RTT() > 0 && w.info.Retransmits() == 0 {
		took = time.Duration(w.info.RTT()) * time.Microsecond
	}
	b.Load.Observe(w.now, took)
}

// timeFailure has a connect that failed count as the longest that one may take:
// a backend that refuses at once must not look quick.
func (w *worker) timeFailure(b *backendSlot) {
	if b.pool.Latency {
		b.Load.Observe(w.now, b.pool.ConnectTimeout)
	}
}
