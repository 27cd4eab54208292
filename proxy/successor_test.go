package proxy

import (
	"slices"

	"sluice/internal/sys"
)

// handOver stops the server of p where it stands and lets another one, made of
// its book and descriptors, take its place. extra are descriptors that come over
// and are in no book.
func (p *plane) handOver(change func(*Listener, *Pool), backends []string, extra ...int) Carried {
	p.t.Helper()
	old := p.Server
	old.Pause()
	return p.succeed(old, change, backends, extra...)
}

// succeed is handOver of a server that has stopped.
func (p *plane) succeed(old *Server, change func(*Listener, *Pool), backends []string, extra ...int) Carried {
	p.t.Helper()
	past, err := OpenPast(old.BookFD())
	if err != nil {
		p.t.Fatal(err)
	}
	o := old.options
	o.Past = past
	// A book that was damaged may name what is not there, or something twice.
	came := append(old.Descriptors(), extra...)
	slices.Sort(came)
	o.Inherited = slices.DeleteFunc(slices.Compact(came), func(fd int) bool { return sys.KindOf(fd) == sys.NotOpen })
	s, err := New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Server = s
	p.publish(change, backends...)
	past.Close()
	old.discard()
	carried := s.Begin()
	p.t.Cleanup(func() { s.Shutdown(p.t.Context(), 0) })
	return carried
}

// discard closes what a process that is gone would not leave to the next.
func (s *Server) discard() {
	for _, w := range s.workers {
		sys.Close(w.ep)
		sys.Close(w.mail.fd)
	}
	s.closeFallbacks()
	s.book.close()
}

var relays = []Relay{Splice, Copy}

func as(r Relay) func(*Listener, *Pool) { return func(l *Listener, _ *Pool) { l.Relay = r } }
