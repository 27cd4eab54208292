package proxy

import (
	"context"
	"fmt"
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

	_       [64]byte
	active  atomic.Int64 // connections, of all listeners
	_       [56]byte
	paused  atomic.Int64 // doors, counted once a worker, that wait for the end of any connection
	resting atomic.Int32 // workers that leave accepting to others
	pipes   atomic.Int64 // pipes that may still be opened beyond those kept
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
