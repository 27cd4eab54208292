package proxy

import (
	"time"

	"sluice/internal/sys"
)

// What is measured here costs a worker nothing while nobody asks, but for one
// system call on one in sampleOneIn connections that end.

// sampleOneIn is how many connections end for one whose backend's socket is
// asked for its round-trip time: a getsockopt for each would be a percent of a
// short connection.
const sampleOneIn = 16

// sample asks the kernel about a backend's socket that is about to be closed,
// for the report. The numbers are 0 if it was not asked or did not say.
func (w *worker) sample(c *conn) {
	w.rtt, w.retransmits = 0, 0
	w.samples++
	// After a crash a conn may have come over whose backend nobody knows: number 0.
	if c.backend < 0 || c.backendID == 0 || c.connected == 0 || c.has(backendUnix) {
		return
	}
	b := w.live.backend(c.backendID)
	if w.samples%sampleOneIn != 0 && !b.pool.Latency {
		return
	}
	if w.info.Read(int(c.backend)) == 0 {
		w.rtt, w.retransmits = w.info.RTT(), w.info.Retransmits()
		if b.pool.Latency && w.rtt > 0 {
			b.Load.Observe(w.now, time.Duration(w.rtt)*time.Microsecond)
		}
	}
}

// Moved is how many bytes live connections have delivered so far, or those of
// one backend or listener.
type Moved struct{ Up, Down uint64 }

func (m *Moved) add(c *conn) {
	m.Up += c.up.moved
	m.Down += c.down.moved
}

// LiveBytes are the bytes of live connections, by listener and by backend: what
// Stats and the records do not have yet. ok is false when the workers have left.
func (s *Server) LiveBytes() (listeners map[string]Moved, backends map[*Backend]Moved, ok bool) {
	in := s.live.Load()
	type sums struct{ listeners, backends []Moved }
	seen := make([]sums, len(s.workers))
	for i := range seen {
		seen[i] = sums{make([]Moved, len(in.listeners)), make([]Moved, len(in.backends))}
	}
	if !s.look(s.workers, func(w *worker, _ uint32, c *conn) {
		mine := &seen[w.id]
		if int(c.listener) < len(mine.listeners) {
			mine.listeners[c.listener].add(c)
		}
		if c.backendID != 0 && int(c.backendID) < len(mine.backends) {
			mine.backends[c.backendID].add(c)
		}
	}) {
		return nil, nil, false
	}
	listeners, backends = make(map[string]Moved), make(map[*Backend]Moved)
	for _, one := range seen {
		for id, m := range one.listeners {
			if l := in.listeners[id]; l != nil && m != (Moved{}) {
				sum := listeners[l.Name]
				listeners[l.Name] = Moved{sum.Up + m.Up, sum.Down + m.Down}
			}
		}
		for id, m := range one.backends {
			if b := in.backends[id]; b != nil && m != (Moved{}) {
				sum := backends[b.Backend]
				backends[b.Backend] = Moved{sum.Up + m.Up, sum.Down + m.Down}
			}
		}
	}
	return listeners, backends, true
}

// WorkerTimes are how a worker does.
type WorkerTimes struct {
	CPU time.Duration // that its thread has used
	Lag time.Duration // from a message to its answer just now
}

// Turns is how often the workers had something to do for clients. It asks nobody:
// while it is the same no byte has moved. What a worker does for who asks it is
// not counted, else one who asks would keep it awake.
func (s *Server) Turns() (sum uint64) {
	for _, w := range s.workers {
		sum += w.turns.n.Load()
	}
	return sum
}

// WorkerTimes asks each worker for an answer. It is nil when they have left.
func (s *Server) WorkerTimes() []WorkerTimes {
	all := make([]WorkerTimes, len(s.workers))
	answered := make(chan struct{}, len(s.workers))
	for _, w := range s.workers {
		asked := s.clock()
		w.mail.post(message{kind: answerTo, ask: func(w *worker) {
			all[w.id].Lag = time.Duration(s.clock() - asked)
			answered <- struct{}{}
		}})
	}
	for range s.workers {
		select {
		case <-answered:
		case <-s.reporter.done:
			return nil
		}
	}
	for i, w := range s.workers {
		all[i].CPU = sys.ThreadTime(int(w.thread.Load()))
	}
	return all
}
