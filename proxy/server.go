package proxy

import (
	"context"
	"fmt"
	"hash/maphash"
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

	// Past is the book of a process that is gone, and Inherited the descriptors that
	// came over from it: what nobody claims of them is closed. The Server reads Past
	// until the first Publish has returned.
	Past      *Past
	Inherited []int

	// Keep has what must survive the process written where another process can
	// read it; see BookFD.
	Keep bool

	// The sinks are called one after the other on a goroutine of the Server's own; a
	// slow one loses records, never time of a worker. What Record and Begun are
	// given is used again for the next one. nil: none.
	Record        func(*Record)
	Begun         func(*Record) // a connection has its backend; see TellBegun
	Notice        func(Notice)
	ConnectFailed func(pool, backend string, inARow uint32, err error)
}

// Server is the data plane: the workers, the sockets they accept from, and
// the table they work by.
type Server struct {
	options  Options
	started  time.Time
	book     *book
	workers  []*worker
	running  sync.WaitGroup
	reporter *reporter

	past    *Past        // nil: a fresh start
	free    map[int]bool // inherited descriptors that nobody has claimed; true: to be looked at
	carried Carried
	begun   atomic.Bool // the workers run
	halted  atomic.Bool // they have stopped for good, and left everything open

	tellBegun  atomic.Bool
	publishing sync.Mutex // held while live is replaced
	leaving    []*door    // that left the table before the workers ran
	roll       *roll      // saved last
	live       atomic.Pointer[live]
	seed       maphash.Seed // of sources
	limit      int64        // connections at once

	draining atomic.Bool
	empty    chan struct{} // told when the last connection has ended while draining

	_       [64]byte
	active  atomic.Int64 // connections, of all listeners
	_       [56]byte
	paused  atomic.Int64 // doors, counted once a worker, that wait for the end of any connection
	resting atomic.Int32 // workers that leave accepting to others
	pipes   atomic.Int64 // pipes that may still be opened beyond those kept
}

// New starts the workers. They have no table yet and accept nothing. With a Past
// they are not started before Begin.
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
	s := &Server{options: o, seed: maphash.MakeSeed(), started: time.Now(), past: o.Past, limit: int64(limit), empty: make(chan struct{}, 1)}
	s.pipes.Store(int64(spare))
	if s.past != nil {
		s.goOnCounting() // before the new book notes where the clock began
	}
	pipes := pipesKept + spare + 1
	if s.past != nil { // those that come over may be more, and all of one worker
		pipes = max(pipes, pipesKept+s.past.pipes()+1)
	}
	// Twice as many slots as there may be conns: those that end while they stand on
	// the ready list keep theirs until their turn.
	room := shape{Workers: o.Workers, Conns: 2*limit + 1, Pipes: pipes, Buffers: 4*limit + 1}
	if s.book, err = newBook(o.Keep, room, sys.Monotonic()-s.clock()); err != nil {
		return nil, err
	}
	if s.past != nil {
		s.remember()
	} else {
		s.live.Store(&live{room: limit, table: &Table{}, doors: []*door{nil}, owners: []*listenerSlot{nil}})
	}
	s.reporter = newReporter(s)
	for id := range o.Workers {
		w, err := newWorker(s, id)
		if err != nil {
			s.book.close()
			for _, w := range s.workers {
				w.shut()
				sys.Close(w.mail.fd)
			}
			return nil, fmt.Errorf("worker %d: %w", id, err)
		}
		s.workers = append(s.workers, w)
	}
	if s.past == nil {
		s.begin()
	}
	return s, nil
}

// TellBegun has Options.Begun told of each connection that is connected to its
// backend from now on, or of none. Its record says how things are at that moment.
func (s *Server) TellBegun(yes bool) { s.tellBegun.Store(yes) }

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

// Shutdown stops accepting, waits until every connection has ended or grace
// is over or ctx is done, resets what is left, and ends the workers. Over the
// second half of grace those that are left are reset little by little, so that
// not all clients come back at once. It returns the number of connections it
// had to reset. A second call does nothing.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) int {
	if s.draining.Swap(true) {
		return 0
	}
	if !s.begun.Load() {
		s.abandon()
		return 0
	}
	s.publishing.Lock()
	s.publish(&Table{Pools: s.live.Load().table.Pools}, nil)
	s.publishing.Unlock()
	reset := 0
	if s.active.Load() > 0 && grace > 0 {
		reset = s.drain(ctx, grace)
	}
	reset += int(s.active.Load())
	s.post(message{kind: resetAll})
	s.post(message{kind: leave})
	s.running.Wait()
	for _, w := range s.workers {
		sys.Close(w.mail.fd)
	}
	close(s.reporter.stop)
	<-s.reporter.done
	s.closeFallbacks()
	s.book.close()
	return reset
}
