package proxy

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/balancer"
	"sluice/internal/sys"
)

// A worker is one event loop: a goroutine locked to its thread, with its own
// epoll, pipes, timers and conns. Nobody else touches what it owns; others
// post it a message.
//
// What an epoll holds for a socket, its token, is two halves: a slot and a
// generation for a client's socket, the same with backendSide set for a backend's.
// A late event of a closed conn finds another generation in the slot and is dropped.
// Generation 0 is the worker's own: mailSlot is its mailbox, any other slot the
// number of a door.
type worker struct {
	server *Server
	id     int // place in server.workers
	ep     int
	events sys.Events

	live   *live         // as of the beginning of this turn
	seen   atomic.Uint64 // its version
	now    int64         // ns on the process's clock, as of the beginning of this turn
	mail   mailbox
	slab   *slab
	pipes  *pipes
	bufs   buffers
	wheel  wheel
	ready  queue
	crowd  int // events and ready conns of this turn
	calls  int // of the mailbox among them
	random *rand.PCG

	request balancer.Request // scratch of connect
	client  sys.Sockaddr     // scratch of accept
	peek    peekRoom         // scratch of inspect
	paused  []pausedDoor
	refused map[refusalOf]*refusal
	queues  map[uint32]*poolState // by slot: where its conn waits
	houseAt int64                 // when keepHouse does its work, 0: nothing to do
	tellAt  int64                 // when the reporter is woken at the latest, 0: nothing to tell
	freed   bool                  // a connection ended in this turn that a paused door may wait for
	scarce  syscall.Errno         // why a backend got no socket
	unbound bool                  // the latest socket could not be bound to where it is to connect from
	shortAt int64                 // when a flow that is no bulk transfer last had a short message
	leaving bool
	doubts  doubts

	saidShort bool // the notice that pipes are short was given

	orphans []orphan // begin when the worker does

	ring  ring
	count *counters // in the book

	rtt, retransmits uint32      // of the backend's socket that was closed last, see sample
	samples          uint32      // connections that have ended
	info             sys.TCPInfo // scratch of sample
	byMultipath      bool        // whoever was accepted last speaks MPTCP
	thread           atomic.Int64
	turns            counter // with something to do for a client, see Turns

	// Read by other workers.
	_       [64]byte
	load    atomic.Int32 // conns
	resting atomic.Bool  // see rest.go
	_       [56]byte
}

const (
	generationMask = 1<<31 - 1
	backendSide    = 1 << 31
	mailSlot       = 0
)

// spin is how long a worker that has nothing to do waits without giving up its
// P. A wake-up from there is cheaper by a few µs than from a wait that the
// scheduler knows of; an idle worker pays it once.
const spin = 2 * time.Millisecond

func newWorker(s *Server, id int) (*worker, error) {
	w := &worker{server: s, id: id, refused: map[refusalOf]*refusal{}, queues: map[uint32]*poolState{}, random: rand.NewPCG(rand.Uint64(), uint64(id)), live: s.live.Load()}
	var err error
	if w.ep, err = sys.EpollCreate(); err != nil {
		return nil, err
	}
	if w.mail.fd, err = sys.EventFD(); err != nil {
		sys.Close(w.ep)
		return nil, err
	}
	if err := w.equip(s.book.chapter(id)); err != nil {
		w.shut()
		sys.Close(w.mail.fd)
		return nil, err
	}
	w.wheel.timers = func(slot uint32) *timer { return &w.slab.at(slot).timer }
	w.now = s.clock()
	w.wheel.now = uint64(w.now) >> tickShift
	return w, nil
}

// equip lays out what the worker has in the book.
func (w *worker) equip(ch chapter) (err error) {
	w.slab = newSlab(ch)
	w.count = &ch.page.count
	w.ring = ring{ringMarks: &ch.page.marks, entries: ch.ring}
	w.bufs = buffers{book: w.server.book, marks: ch.buffers}
	if w.pipes, err = newPipes(w.server.options.PipeSize, &w.server.pipes, ch.pipes); err != nil {
		return err
	}
	if e := sys.EpollAdd(w.ep, w.mail.fd, sys.In|sys.Edge, mailSlot, 0); e != 0 {
		return e
	}
	return nil
}

// shut gives back what newWorker took. The mailbox is closed apart, when nobody
// can post any more.
func (w *worker) shut() {
	sys.Close(w.ep)
	if w.pipes != nil {
		w.pipes.close()
	}
}

// run is the event loop. It ends when it was told to leave.
func (w *worker) run() {
	runtime.LockOSThread()
	sys.Batch()
	w.thread.Store(int64(sys.Thread()))
	if w.server.past != nil {
		w.arrive()
	}
	for !w.leaving {
		w.turn(w.wait())
	}
	w.tellRefusals(true)
	if !w.server.halted.Load() {
		w.shut()
	}
}

// turn is one round of the loop over n events.
func (w *worker) turn(n int) {
	w.now = w.server.clock()
	w.live = w.server.live.Load()
	w.ready.round()
	w.crowd, w.calls = n+w.ready.count, 0
	for i := range n {
		w.dispatch(w.events.At(i))
	}
	if w.crowd > w.calls || len(w.doubts.list) > 0 {
		w.turns.add(1)
	}
	w.runReady()
	w.recheck(w.crowd == 0)
	w.wheel.advance(w.now, w.fire)
	w.keepHouse()
	if w.seen.Load() != w.live.version {
		w.tellRefusals(true) // of listeners that may be gone
		w.seen.Store(w.live.version)
	}
}

// wait returns how many events came. It looks without waiting while there is
// work, and otherwise spins a little before it sleeps until the next timer.
func (w *worker) wait() int {
	if !w.ready.empty() {
		return sys.EpollSpin(w.ep, &w.events, 0)
	}
	if w.doubts.rested {
		w.doubts.rested = false
		return w.sleep()
	}
	ms := w.until()
	short := int(spin / time.Millisecond)
	if ms >= 0 && ms <= short {
		return sys.EpollSpin(w.ep, &w.events, ms)
	}
	if n := sys.EpollSpin(w.ep, &w.events, short); n > 0 || len(w.doubts.list) > 0 {
		return n
	}
	return w.sleep()
}

// sleep is apart so that the way to it passes a stack check: that is where the
// scheduler takes the P when a spin was interrupted.
//
//go:noinline
func (w *worker) sleep() int { return sys.EpollWait(w.ep, &w.events, w.until()) }

func (w *worker) dispatch(ev sys.Event) {
	if ev.High == 0 {
		if ev.Low == mailSlot {
			w.calls++
			w.readMail()
		} else if d := w.live.door(ev.Low); d != nil {
			w.accept(d)
		}
		return
	}
	c := w.slab.at(ev.Low)
	if c.generation != ev.High&generationMask {
		return
	}
	switch {
	case c.phase == breaking:
		w.breakingEvent(ev.Low, c, ev)
	case c.phase == inspecting:
		w.inspectEvent(ev.Low, c, ev.Events)
	case ev.High&backendSide == 0:
		w.clientEvent(ev.Low, c, ev.Events)
	case c.phase == connecting:
		w.connectEvent(ev.Low, c, ev.Events)
	default:
		w.backendEvent(ev.Low, c, ev.Events)
	}
}

// fire is called with each slot whose timer is due.
func (w *worker) fire(slot uint32) { w.timeout(slot, w.slab.at(slot)) }

// until is how many milliseconds the worker may sleep, -1 for ever.
func (w *worker) until() int {
	now := w.server.clock()
	ms := w.wheel.until(now)
	for _, at := range [...]int64{w.houseAt, w.tellAt} {
		if at == 0 {
			continue
		}
		if in := max(0, int((at-now+int64(time.Millisecond)-1)/int64(time.Millisecond))); ms < 0 || in < ms {
			ms = in
		}
	}
	return ms
}

// keepHouse ends a turn: doors that wait for what came free are tried again,
// and now and then what happened is told, and spare pipes and memory go back.
func (w *worker) keepHouse() {
	w.wakeReporter()
	if w.freed {
		w.freed = false
		w.server.post(message{kind: retryDoor})
	}
	w.wakeIfIdle()
	if w.pipes.spare() {
		w.houseBy(trimAfter)
	}
	if w.houseAt == 0 || w.houseAt > w.now {
		return
	}
	w.houseAt = 0
	w.tellRefusals(false)
	w.pipes.trim()
	if w.slab.live == 0 {
		w.ring.clear()
	}
	w.unpause()
}

// houseBy sees to it that keepHouse does its work before long.
func (w *worker) houseBy(in time.Duration) {
	if at := w.now + int64(in); w.houseAt == 0 || w.houseAt > at {
		w.houseAt = at
	}
}

// trimAfter is how long spare pipes stay open: far longer than the pauses of
// a busy proxy, far shorter than an operator's patience.
const trimAfter = time.Second
