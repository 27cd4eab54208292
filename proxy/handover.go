package proxy

import (
	"time"

	"sluice/internal/sys"
)

// Inherited lists the descriptors that this process did not open itself.
func Inherited() ([]int, error) { return sys.Inherited() }

// BookFD is the descriptor of the book, -1 without Options.Keep. It stays the
// Server's.
func (s *Server) BookFD() int { return s.book.fd }

// SaveBlob keeps data for the process that comes after this one, which gets what
// was saved last under the name, whole. A name has at most 32 bytes. Without
// Options.Keep it does nothing.
func (s *Server) SaveBlob(name string, data []byte) error { return s.book.save(name, data) }

// goOnCounting has the clock go on from where that of the process before began:
// times in the book are on it.
func (s *Server) goOnCounting() {
	s.started = time.Now().Add(-time.Duration(sys.Monotonic() - s.past.head().origin))
}

// remember takes over what is not about single conns: the doors, and who the numbers
// are.
func (s *Server) remember() {
	s.free = map[int]bool{}
	for _, fd := range s.options.Inherited {
		s.free[fd] = true
	}
	doors := make([]*door, len(s.past.roll.Doors))
	for i, d := range s.past.roll.Doors {
		if s.free[d.FD] && sys.Accepts(d.FD) {
			delete(s.free, d.FD)
			sys.CloseOnExec(d.FD)
			doors[i] = &door{doorKey: doorKey{d.Address, d.Reach, d.Only6, d.Free}, fd: d.FD, inode: d.Inode, gone: make(chan struct{}), multipath: sys.Multipath(d.FD)}
		}
	}
	in := s.past.roll.recall(doors)
	in.room = int(s.limit)
	s.live.Store(in)
}

// copyBlobs keeps what the process before had saved until its owner saves it anew.
func (s *Server) copyBlobs() {
	entries := directory(s.past.memory)
	for i := range entries {
		if name := entries[i].called(); name != "" && name != rollName {
			if data := s.past.Blob(name); data != nil {
				s.book.save(name, data)
			}
		}
	}
}

// Begin starts the workers of a Server that has a Past, after the first Publish,
// and says what came over. Nothing is relayed before it. Without a Past it does
// nothing.
func (s *Server) Begin() Carried {
	if s.past != nil && s.begin() {
		return s.carried
	}
	return Carried{}
}

func (s *Server) begin() bool {
	if s.begun.Swap(true) {
		return false
	}
	for _, w := range s.workers {
		s.running.Go(w.run)
	}
	go s.reporter.run()
	return true
}

// abandon gives back what a Server has that was never begun. What it inherited is
// left open: whoever starts the next process holds it as well.
func (s *Server) abandon() {
	for _, w := range s.workers {
		w.shut()
		sys.Close(w.mail.fd)
	}
	s.closeFallbacks()
	s.book.close()
}

// Pause stops all workers between two turns, for good, and has told what there is
// to tell. Everything stays open as the book says, for the process that comes
// next. Publish and Shutdown do nothing from then on.
func (s *Server) Pause() {
	if s.draining.Swap(true) || !s.begun.Load() {
		return
	}
	s.publishing.Lock() // a Publish under way ends first
	defer s.publishing.Unlock()
	s.halted.Store(true)
	s.post(message{kind: halt})
	s.running.Wait()
	close(s.reporter.stop)
	<-s.reporter.done
}

// Descriptors lists every descriptor that the book names. It is exact after Pause.
func (s *Server) Descriptors() (fds []int) {
	for _, d := range s.live.Load().doors {
		if d != nil {
			fds = append(fds, d.fd)
		}
	}
	for i := range s.workers {
		ch := s.book.chapter(i)
		for slot := uint32(1); slot <= ch.page.used; slot++ {
			if c := &ch.conns[slot]; c.generation != 0 {
				fds = append(fds, int(c.client))
				if c.backend >= 0 {
					fds = append(fds, int(c.backend))
				}
			}
		}
		for _, p := range s.workers[i].pipes.all {
			if p.r > 0 && p.w > 0 {
				fds = append(fds, p.r, p.w)
			}
		}
	}
	return fds
}
