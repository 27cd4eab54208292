package proxy

// countAnew has the conns counted that a limit speaks of which was not there before:
// of a source, or of a pool. Until a worker has come to it there may be some more
// than the limit.
func (s *Server) countAnew(before, after *live) {
	if !s.begun.Load() || !after.counts(before) {
		return
	}
	count := func(w *worker, slot uint32, c *conn) {
		if l := w.live.listener(c.listener); l.sources != nil && c.counted != l.number {
			w.restore(slot, c, l)
		}
		if c.backendID != 0 {
			w.live.backend(c.backendID).pool.adopt(c)
		}
	}
	answered := make(chan struct{}, len(s.workers))
	for _, w := range s.workers {
		w.mail.post(lookFrom(1, count, answered))
	}
}

// counts reports whether something is limited that was not so before.
func (l *live) counts(before *live) bool {
	for id, is := range l.listeners {
		if is == nil || is.sources == nil || is.PerSource.Most == 0 {
			continue
		}
		if was := before.listenerOf(uint32(id)); was != nil && (was.sources != is.sources || was.PerSource.Most == 0) {
			return true
		}
	}
	for _, p := range l.table.Pools {
		if was := before.pool(p.Name); p.MaxConnections > 0 && was != nil && was.MaxConnections == 0 {
			return true
		}
	}
	return false
}

// pool is a pool of the table by name, nil if there is none.
func (l *live) pool(name string) *Pool {
	for _, p := range l.table.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}
