// Package balancer picks a backend for a connection. It is pure: it knows no
// descriptor, no clock and no other package of the house.
//
// A Pool is compiled once and never changes; what does change while it works
// are the atomics in each backend's Load, which outlive the Pool and are
// carried from one compiled Pool to the next by whoever compiles.
package balancer

import (
	"sync/atomic"
	"time"
)

// Load holds the live counts of one backend. It is shared by all workers and
// by every Pool in which the backend stands; the padding keeps two backends
// from sharing a cache line.
type Load struct {
	// ID tells this backend from every other one. The owner of the loads gives
	// it once, before the first Pick; zero is no backend.
	ID uint32

	failed  atomic.Uint32
	active  atomic.Int64
	latency latency
	_       [104]byte
}

// Observe takes how long the backend took to answer: a connect, or the kernel's
// smoothed round-trip time. now is ns on the clock of Request.Now. Two that
// observe at the same moment may leave what one of them saw.
func (l *Load) Observe(now int64, took time.Duration) { l.latency.observe(now, took) }

// Latency is what least_latency reckons with; 0 if nothing was ever observed.
func (l *Load) Latency(now int64) time.Duration {
	if l.latency.word.Load() == 0 {
		return 0
	}
	return time.Duration(l.latency.at(now))
}

// Acquire counts one more connection unless that would exceed most; most <= 0
// means no limit. It reports whether the connection may use the backend. Where
// there is a limit, Active is never above it, not even for a moment: to count
// first and take back would let one refusal cause another that nothing
// justifies. A full backend is only read, so its cache line stays shared.
func (l *Load) Acquire(most int64) bool {
	if most <= 0 {
		l.active.Add(1)
		return true
	}
	for n := l.active.Load(); n < most; n = l.active.Load() {
		if l.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Release takes back one Acquire.
func (l *Load) Release() { l.active.Add(-1) }

// Active is the number of connections that hold the backend now.
func (l *Load) Active() int64 { return l.active.Load() }

// ConnectFailed counts a failed connect and returns how many have failed in a
// row, this one included.
func (l *Load) ConnectFailed() uint32 { return l.failed.Add(1) }

// Connected ends a row of failures. It writes only if there was one, so that
// the ordinary connect leaves the cache line alone.
func (l *Load) Connected() {
	if l.failed.Load() != 0 {
		l.failed.Store(0)
	}
}

// Backend is one place a connection can go, as a Picker sees it.
type Backend struct {
	Name           string // unique in its pool; what the hashes hash
	Weight         int    // relative share, 1 to 65535
	MaxConnections int64  // 0: no limit
	Ref            int    // the caller's own number; Pick gives it back
	Load           *Load
}

// MaxTried is how many backends one connection can try.
const MaxTried = 8

// Tried is the set of backends, by Load.ID, that a connection has tried in
// vain. It is plain data: it lives in the connection's record.
type Tried struct {
	ids [MaxTried]uint32
	n   uint8
}

// Add puts a backend into the set. It reports false when the set is full.
func (t *Tried) Add(id uint32) bool {
	if int(t.n) == len(t.ids) {
		return false
	}
	t.ids[t.n] = id
	t.n++
	return true
}

// Has reports whether the backend was tried.
func (t *Tried) Has(id uint32) bool {
	for _, x := range t.ids[:t.n] {
		if x == id {
			return true
		}
	}
	return false
}

// Last is the backend tried last, 0 if none was.
func (t *Tried) Last() uint32 {
	if t.n == 0 {
		return 0
	}
	return t.ids[t.n-1]
}

// All is the backends tried, in order.
func (t *Tried) All() []uint32 { return t.ids[:t.n] }

// Sound reports whether t can have come about by Add: it may have been read from
// memory that is damaged, and nothing else may be asked of it then.
func (t *Tried) Sound() bool { return int(t.n) <= len(t.ids) }

// Len is the number of backends tried.
func (t *Tried) Len() int { return int(t.n) }

// Request is one connection's question to a Picker. It crosses an interface, so
// a Request that is a local variable is allocated anew for each call: a worker
// keeps one and fills it in again. No Picker keeps it.
type Request struct {
	Key   uint64 // what the hashes hash; see the pool's hash_on
	Rand  uint64 // a fresh random number
	Now   int64  // ns on a clock that never goes back
	Tried Tried
}

// Picker is a policy at work over a fixed set of backends. Pick is called by
// all workers at once; it takes no lock and allocates nothing.
type Picker interface {
	// Pick chooses a backend that is neither full nor tried, acquires its
	// Load and returns its place in the slice the Picker was made from; -1 if
	// there is none.
	Pick(r *Request) int
}
