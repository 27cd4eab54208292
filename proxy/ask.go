package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A worker is asked about its conns by message, between turns, and looks at a
// few hundred of them at a time, so that those who wait for bytes hardly notice.
// Where it notes what it sees has been made ready by who asks.

// lookAtOnce is how many slots a worker looks at in one turn: some 50 µs.
const lookAtOnce = 512

// Table is the table in force.
func (s *Server) Table() *Table { return s.live.Load().table }

// ListenerCount is what a listener has now.
type ListenerCount struct {
	Active int64
	Paused bool // some worker does not accept there for the time being

	Multipath bool // some of its sockets take MPTCP

	// Of its table of sources, see guard.Sources.
	Forgotten, Uncounted uint64
}

// Listening are the listeners of the table in force, by name.
func (s *Server) Listening() map[string]ListenerCount {
	all := make(map[string]ListenerCount)
	in := s.live.Load()
	for _, l := range in.listeners {
		if l != nil && l.retired == 0 {
			count := ListenerCount{Active: l.active.Load(), Paused: l.paused.Load() > 0, Multipath: in.takesMPTCP(l)}
			if l.sources != nil {
				count.Forgotten, count.Uncounted = l.sources.Forgotten(), l.sources.Uncounted()
			}
			all[l.Name] = count
		}
	}
	return all
}

// ConnID tells a live connection from every other one.
type ConnID struct{ Worker, Slot, Generation uint32 }

// String is the ID as one word: "0-17-4711".
func (id ConnID) String() string { return fmt.Sprintf("%d-%d-%d", id.Worker, id.Slot, id.Generation) }

// ParseConnID takes what String gives.
func ParseConnID(s string) (id ConnID, err error) {
	if _, err = fmt.Sscanf(s, "%d-%d-%d", &id.Worker, &id.Slot, &id.Generation); err != nil || id.String() != s {
		return ConnID{}, fmt.Errorf("%q is not a connection's ID", s)
	}
	return id, nil
}

// Conn is a live connection as it was when its worker was asked.
type Conn struct {
	ID       ConnID
	Listener *Listener
	Pool     *Pool          // the listener's until a backend is picked
	Backend  *Backend       // nil: none is picked
	Client   netip.AddrPort // as in Record
	Peer     netip.AddrPort // the other side of the client's socket
	SNI      string
	Route    int           // -1: no route took it
	Phase    string        // inspecting, connecting, queued, relaying, breaking, fallback or lingering
	Age      time.Duration // since it was accepted
	Idle     time.Duration // since a byte moved or a side finished
	Up, Down uint64        // bytes delivered so far
	Retries  int
	Copied   bool // relayed by read and write

	Multipath bool // its client speaks MPTCP
}

// Conns are the live connections, each as its worker saw it in its turn. It is
// nil when the workers have left.
func (s *Server) Conns() []Conn {
	seen := make([][]Conn, len(s.workers))
	for i, w := range s.workers {
		seen[i] = make([]Conn, 0, int(w.load.Load())+lookAtOnce)
	}
	if !s.look(s.workers, func(w *worker, slot uint32, c *conn) {
		if mine := seen[w.id]; len(mine) < cap(mine) {
			seen[w.id] = append(mine, w.describe(slot, c))
		}
	}) {
		return nil
	}
	return slices.Concat(seen...)
}

func (w *worker) describe(slot uint32, c *conn) Conn {
	l := w.live.listener(c.listener)
	d := Conn{
		ID:       ConnID{uint32(w.id), slot, c.generation},
		Listener: l.Listener, Pool: l.Pool, Client: w.source(slot, c), Peer: c.clientAddress(), Route: -1,
		Phase: phaseNames[c.phase],
		Age:   time.Duration(w.now - c.accepted), Idle: time.Duration(w.now - c.lastMove),
		Up: c.up.moved, Down: c.down.moved,
		Retries: int(c.retries), Copied: c.has(copied), Multipath: c.has(clientMPTCP),
	}
	if c.has(carded) {
		k := w.slab.card(slot)
		d.SNI, d.Route = strings.Clone(k.serverName()), int(k.route)-1
		if l.Routes != nil && d.Route >= 0 && d.Route < l.Routes.Len() {
			d.Pool = l.Routes.Pool(d.Route)
		}
	}
	if c.backendID != 0 {
		b := w.live.backend(c.backendID)
		d.Backend, d.Pool = b.Backend, b.pool
	}
	return d
}

// Kill resets a live connection and reports whether it was there.
func (s *Server) Kill(id ConnID, why Cause) bool {
	if int(id.Worker) >= len(s.workers) || !s.begun.Load() {
		return false
	}
	killed := false
	answered := make(chan struct{})
	s.workers[id.Worker].mail.post(message{kind: answerTo, ask: func(w *worker) {
		defer close(answered)
		if id.Slot == 0 || id.Slot > w.slab.page.used {
			return
		}
		if c := w.slab.at(id.Slot); id.Generation != 0 && c.generation == id.Generation {
			killed = true
			w.kill(id.Slot, c, why)
		}
	}})
	select {
	case <-answered:
		return killed
	case <-s.reporter.done:
		return false
	}
}

// Reset resets every connection that is relayed to a backend, and returns how
// many there were. One that is still to be connected goes on to another.
func (s *Server) Reset(b *Backend, why Cause) int {
	return s.resetThose(why, func(w *worker, _ uint32, c *conn) bool {
		return c.backendID != 0 && c.phase != connecting && w.live.backend(c.backendID).Load == b.Load
	})
}

// resetIdlest resets the n connections that have been idle the longest, and
// returns how many were still there.
func (s *Server) resetIdlest(n int, why Cause) int {
	if n <= 0 {
		return 0
	}
	all := s.Conns()
	slices.SortFunc(all, func(a, b Conn) int { return cmp.Compare(b.Idle, a.Idle) })
	due := make(map[ConnID]bool, n)
	for _, c := range all[:min(n, len(all))] {
		due[c.ID] = true
	}
	return s.resetThose(why, func(w *worker, slot uint32, c *conn) bool {
		return due[ConnID{uint32(w.id), slot, c.generation}]
	})
}

// resetThose resets the connections that which says, and returns how many.
func (s *Server) resetThose(why Cause, which func(*worker, uint32, *conn) bool) int {
	var count atomic.Int64
	s.look(s.workers, func(w *worker, slot uint32, c *conn) {
		if which(w, slot, c) {
			count.Add(1)
			w.kill(slot, c, why)
		}
	})
	return int(count.Load())
}

// kill resets a conn for a reason of our own.
func (w *worker) kill(slot uint32, c *conn, why Cause) {
	c.cause, c.errno = why, 0
	w.close(slot, c, true)
}

// look shows every conn of the workers to see, which runs on the conn's worker
// and may close it. It returns when all have been shown, and false when the
// workers have left before that or have not begun: then it is done when they do.
func (s *Server) look(workers []*worker, see func(*worker, uint32, *conn)) bool {
	answered := make(chan struct{}, len(workers))
	for _, w := range workers {
		w.mail.post(lookFrom(1, see, answered))
	}
	if !s.begun.Load() {
		return false // nobody waits until they begin
	}
	for range workers {
		select {
		case <-answered:
		case <-s.reporter.done:
			return false
		}
	}
	return true
}

// lookFrom is the part of a look that begins at a slot; the next part is a
// message of its own.
func lookFrom(first uint32, see func(*worker, uint32, *conn), answered chan<- struct{}) message {
	return message{kind: answerTo, ask: func(w *worker) {
		last := min(first+lookAtOnce-1, w.slab.page.used)
		for slot := first; slot <= last && slot <= w.slab.page.used; slot++ {
			if c := w.slab.at(slot); c.generation != 0 {
				see(w, slot, c)
			}
		}
		if last < w.slab.page.used {
			w.mail.post(lookFrom(last+1, see, answered))
			return
		}
		answered <- struct{}{}
	}}
}
