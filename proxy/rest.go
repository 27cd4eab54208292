package proxy

import "sluice/internal/sys"

// Workers wait at the same doors, and the kernel wakes whichever it likes: often
// the same one again and again. Short connections even out by themselves; long
// ones stay where they are, and one worker may get nearly all of them. So a
// worker that has clearly more than another rests: it leaves the doors to the
// others until they have caught up. Nothing is handed from worker to worker, and
// an accept costs a look at one other worker's count.
//
//	accepting -- more than another, chosen at random, by more than the slack --> resting
//	    ^                                                                           |
//	    +---- another that accepts has as many; or enough of its own have ended ----+
//
// One worker at least does not rest.

// slack is how many more connections than another worker's n are no reason to
// rest.
func slack(n int32) int32 { return 4 + n/8 }

// restAfterAccept rests if this worker has more than its share, and wakes those
// that rest and have not.
func (w *worker) restAfterAccept() {
	s := w.server
	n := len(s.workers)
	if n == 1 {
		return
	}
	mine := w.load.Load()
	other := s.workers[(w.id+1+int(w.random.Uint64()%uint64(n-1)))%n]
	if has := other.load.Load(); mine > has+slack(has) && !w.resting.Load() {
		w.rest()
	}
	if s.resting.Load() == 0 {
		return
	}
	for _, other := range s.workers {
		if other != w && other.resting.Load() && other.load.Load() <= mine && other.wake() {
			other.mail.post(message{kind: backToDoors})
		}
	}
}

// rest leaves the doors to the other workers, unless all of them rest.
func (w *worker) rest() {
	if s := w.server; s.resting.Add(1) == int32(len(s.workers)) {
		s.resting.Add(-1)
		return
	}
	w.resting.Store(true)
	for _, d := range w.live.doors {
		if d != nil {
			sys.EpollDel(w.ep, d.fd)
		}
	}
}

// wake ends a rest, and reports whether there was one to end. Anyone may call
// it; the worker itself then goes backToDoors. Others may rest at once: the doors
// are open, and who waits there is seen as soon as the worker is back.
func (w *worker) wake() bool {
	if !w.resting.CompareAndSwap(true, false) {
		return false
	}
	w.server.resting.Add(-1)
	return true
}

// backToDoors accepts again from the doors that are not paused.
func (w *worker) backToDoors() {
	for _, d := range w.live.doors {
		if d != nil && !w.hasPaused(d) {
			w.openDoor(d)
		}
	}
}

// wakeIfIdle ends the rest of a worker of which enough connections have ended. Half the
// slack is kept, so that it does not go to and fro.
func (w *worker) wakeIfIdle() {
	if !w.resting.Load() {
		return
	}
	mine := w.load.Load()
	for _, other := range w.server.workers {
		if has := other.load.Load(); other != w && mine <= has+slack(has)/2 && w.wake() {
			w.backToDoors()
			return
		}
	}
}

func (w *worker) hasPaused(d *door) bool {
	for _, p := range w.paused {
		if p.door == d {
			return true
		}
	}
	return false
}
