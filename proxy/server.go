package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/sys"
)

// Options are fixed for the life of a Server.
type Options struct {
	Workers        int // 0: one for each CPU the process may use
	MaxConnections int // 0: what the descriptor limit allows
	PipeSize       int // bytes; 0: 1 MiB

	// The three sinks are called one after the other on a goroutine of the
	// Server's own; a slow one loses records, never time of a worker. nil: none.
	Record        func(*Record)
	Notice        func(Notice)
	ConnectFailed func(pool, backend string, inARow uint32, err error)
}

// Server is the data plane: the workers, the sockets they accept from, and
// the table they work by.
type Server struct {
	options  Options
	started  time.Time
	workers  []*worker
	running  sync.WaitGroup
	reporter *reporter

	publishing sync.Mutex // held while live is replaced
	live       atomic.Pointer[live]
	limit      int64 // connections at once

	draining atomic.Bool
	empty    chan struct{} // told when the last connection has ended while draining

	_      [64]byte
	active atomic.Int64 // connections, of all listeners
	_      [56]byte
	paused atomic.Int64 // doors, counted once a worker, that wait for the end of any connection
	pipes  atomic.Int64 // pipes that may still be opened beyond those kept
}

// New starts the workers. They have no table yet and accept nothing.
func New(o Options) (*Server, error) {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.PipeSize == 0 {
		o.PipeSize = 1 << 20
	}
	descriptors, err := sys.DescriptorLimit()
	if err != nil {
		return nil, err
	}
	limit, spare := divide(descriptors, o.Workers, o.MaxConnections)
	if limit < 1 {
		return nil, fmt.Errorf("the limit of %d open descriptors leaves none for connections; raise it (ulimit -n)", descriptors)
	}
	s := &Server{options: o, started: time.Now(), limit: int64(limit), empty: make(chan struct{}, 1)}
	s.pipes.Store(int64(spare))
	s.live.Store(&live{table: &Table{}, doors: []*door{nil}, owners: []*listenerSlot{nil}})
	s.reporter = newReporter(s)
	for id := range o.Workers {
		w, err := newWorker(s, id, limit, o.PipeSize)
		if err != nil {
			for _, w := range s.workers {
				w.shut()
				sys.Close(w.mail.fd)
			}
			return nil, fmt.Errorf("worker %d: %w", id, err)
		}
		s.workers = append(s.workers, w)
	}
	for _, w := range s.workers {
		s.running.Go(w.run)
	}
	go s.reporter.run()
	return s, nil
}

// divide shares out the descriptors: connections get two each, as many as asked
// for (0: any number) or as there is room for. A twentieth, at least 32 and at
// most 1000, is kept for everything else: what each worker holds, pipes with
// bytes in flight, probes, listeners, logs. Of what connections leave, half of
// that reserve excepted, pipes may take all: spare is how many beyond those
// that workers keep.
func divide(descriptors, workers, wanted int) (connections, spare int) {
	own := workers * (2 + 2*pipesKept)
	reserve := min(max(descriptors/20, 32), 1000)
	reserve = max(reserve, own+reserve/2)
	connections = min((descriptors-reserve)/2, maxConnections)
	if wanted > 0 {
		connections = min(connections, wanted)
	}
	return connections, max(0, descriptors-2*connections-own-reserve/2) / 2
}

// maxConnections is where slots would no longer fit into their number.
const maxConnections = 1 << 24

// clock is the process's clock: ns since the Server was made, never 0.
func (s *Server) clock() int64 { return int64(time.Since(s.started)) + 1 }

// MaxConnections is how many connections there may be at once.
func (s *Server) MaxConnections() int { return int(s.limit) }

// Workers is how many event loops there are.
func (s *Server) Workers() int { return len(s.workers) }

// leave counts one connection less.
func (s *Server) leave() {
	if s.active.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.empty <- struct{}{}:
		default:
		}
	}
}

func (s *Server) hasRoom(l *listenerSlot) bool {
	return s.active.Load() < s.limit && (l.MaxConnections == 0 || l.active.Load() < l.MaxConnections)
}

func (s *Server) post(m message) {
	for _, w := range s.workers {
		w.mail.post(m)
	}
}

// Opening holds sockets that are open but not yet accepted from.
type Opening struct{ doors []*door }

// Open opens the sockets that t needs and the table in force has not. Nothing
// is accepted from them before Publish; Close gives them back.
func (s *Server) Open(t *Table) (*Opening, error) {
	in := s.live.Load()
	o := &Opening{}
	var errs []error
	for _, l := range t.Listeners {
		for _, a := range l.Bind {
			if in.doorAt(a) != nil {
				continue
			}
			d, err := openDoorAt(l, a, t.hasIPv4Any(a.TCP.Port()))
			if err != nil {
				errs = append(errs, fmt.Errorf("listener %s: %w", l.Name, err))
				continue
			}
			o.doors = append(o.doors, d)
		}
	}
	if len(errs) > 0 {
		o.Close()
		return nil, errors.Join(errs...)
	}
	return o, nil
}

// hasIPv4Any reports whether the table listens on every IPv4 address of a port
// by itself, so that [::] must not.
func (t *Table) hasIPv4Any(port uint16) bool {
	for _, l := range t.Listeners {
		for _, a := range l.Bind {
			if a.Unix == "" && port != 0 && a.TCP == netip.AddrPortFrom(netip.IPv4Unspecified(), port) {
				return true
			}
		}
	}
	return false
}

// Close closes what was opened, unless it was published.
func (o *Opening) Close() {
	for _, d := range o.doors {
		d.shut()
	}
	o.doors = nil
}

// Publish puts t in force: what o opened begins to accept, listeners that t
// does not have are closed, live connections go on. o may be nil when t listens
// where the table in force does. When it returns, addresses that t does not
// have are free. After Shutdown has begun it does nothing.
func (s *Server) Publish(t *Table, o *Opening) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.draining.Load() {
		if o != nil {
			o.Close()
		}
		return
	}
	s.publish(t, o)
}

func (s *Server) publish(t *Table, o *Opening) {
	before := s.live.Load()
	after := before.succeed(t, s.seen())
	added, removed := after.placeDoors(before, o)
	for _, d := range append(added, removed...) {
		d.holders.Store(int32(len(s.workers)))
	}
	s.live.Store(after)
	s.post(message{kind: newLive})
	for _, d := range added {
		s.post(message{kind: openDoor, door: d})
	}
	for _, d := range removed {
		s.post(message{kind: closeDoor, door: d})
	}
	for _, d := range removed {
		<-d.gone
	}
}

// seen is the oldest version of live that a worker may still use.
func (s *Server) seen() uint64 {
	oldest := ^uint64(0)
	for _, w := range s.workers {
		oldest = min(oldest, w.seen.Load())
	}
	return oldest
}

// placeDoors gives each door of before that is still wanted, and each that was
// opened, its listener.
func (n *live) placeDoors(before *live, o *Opening) (added, removed []*door) {
	wanted := map[Address]*listenerSlot{}
	for _, slot := range n.listeners {
		if slot != nil && slot.retired == 0 {
			for _, a := range slot.Bind {
				wanted[a] = slot
			}
		}
	}
	n.doors = make([]*door, len(before.doors))
	n.owners = make([]*listenerSlot, len(before.doors))
	for id, d := range before.doors {
		if d == nil {
			continue
		}
		slot := wanted[d.address]
		if slot == nil {
			d.last = before.owners[id]
			removed = append(removed, d)
			continue
		}
		n.doors[id], n.owners[id] = d, slot
		if before.owners[id].Listener != slot.Listener {
			sys.Listen(d.fd, slot.Backlog)
			if d.address.Unix == "" {
				slot.Socket.reapply(d.fd) // what is accepted from now on inherits it
			}
		}
	}
	if o == nil {
		return nil, removed
	}
	for _, d := range o.doors {
		d.id = freeNumber(&n.doors)
		for len(n.owners) < len(n.doors) {
			n.owners = append(n.owners, nil)
		}
		n.doors[d.id], n.owners[d.id] = d, wanted[d.address]
	}
	added, o.doors = o.doors, nil
	return added, removed
}

// Bound is where a listener of the table in force accepts: its addresses with
// the ports the kernel chose.
func (s *Server) Bound(listener string) (bound []Address) {
	in := s.live.Load()
	for id, d := range in.doors {
		if d != nil && in.owners[id].Name == listener {
			bound = append(bound, d.bound())
		}
	}
	return bound
}

// Shutdown stops accepting, waits until every connection has ended or grace
// is over or ctx is done, resets what is left, and ends the workers. It returns
// the number of connections it had to reset. A second call does nothing.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) int {
	if s.draining.Swap(true) {
		return 0
	}
	s.publishing.Lock()
	s.publish(&Table{Pools: s.live.Load().table.Pools}, nil)
	s.publishing.Unlock()
	if s.active.Load() > 0 && grace > 0 {
		over := time.NewTimer(grace)
		defer over.Stop()
	wait:
		for s.active.Load() > 0 {
			select {
			case <-s.empty:
			case <-over.C:
				break wait
			case <-ctx.Done():
				break wait
			}
		}
	}
	left := int(s.active.Load())
	s.post(message{kind: resetAll})
	s.post(message{kind: leave})
	s.running.Wait()
	for _, w := range s.workers {
		sys.Close(w.mail.fd)
	}
	close(s.reporter.stop)
	<-s.reporter.done
	return left
}
