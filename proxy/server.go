package proxy

import (
	"context"
	"syscall"
	"time"
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
type Server struct{}

// Opening holds sockets that are open but not yet accepted from.
type Opening struct{}

// Stats are counts since start, and what is open now.
type Stats struct {
	Accepted    uint64
	Active      int64
	Closed      map[Cause]uint64
	BytesUp     uint64
	BytesDown   uint64
	Retries     uint64
	Paused      uint64 // how often a listener stopped accepting
	Dropped     uint64 // records lost
	PipesOpen   int64
	PipesInUse  int64
	AcceptFails uint64
}

// New starts the workers. They have no table yet and accept nothing.
func New(o Options) (*Server, error) { return &Server{}, nil }

// Open opens the sockets that t needs and the table in force has not. Nothing
// is accepted from them before Publish; Close gives them back.
func (s *Server) Open(t *Table) (*Opening, error) { return &Opening{}, nil }

// Close closes what was opened, unless it was published.
func (o *Opening) Close() {}

// Publish puts t in force: what o opened begins to accept, listeners that t
// does not have are closed, live connections go on. o may be nil when t listens
// where the table in force does.
func (s *Server) Publish(t *Table, o *Opening) {}

// Bound is where a listener of the table in force accepts: its addresses with
// the ports the kernel chose.
func (s *Server) Bound(listener string) []Address { return nil }

// Shutdown stops accepting, waits until every connection has ended or grace
// is over or ctx is done, resets what is left, and ends the workers. It returns
// the number of connections it had to reset.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) int { return 0 }

// Stats counts.
func (s *Server) Stats() Stats { return Stats{} }

var _ = syscall.EAGAIN
