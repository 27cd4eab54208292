package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// backend serves all services on all addresses until its input ends. Its
// argument is the file of the counter.
func backend(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(loopCount() + 1)
	received, err := openCounter(os.Args[1])
	if err != nil {
		return err
	}
	ended := make(chan error)
	for range loopCount() {
		b, err := newServer(received)
		if err != nil {
			return err
		}
		go func() { ended <- b.run() }()
	}
	if _, err := serveChecks(backendBase); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	go func() {
		io.Copy(io.Discard, in)
		ended <- nil
	}()
	return <-ended
}

// server is one thread of the backend.
type server struct {
	poll     *poller
	service  map[int]int // of a listening descriptor
	conns    []*served   // by descriptor
	received Counter
	buf      []byte
}

// served is a connection of the backend.
type served struct {
	service int
	rest    []byte // of the echo, that did not fit
}

func newServer(received Counter) (*server, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	s := &server{poll: poll, service: map[int]int{}, received: received, buf: make([]byte, bulkSize)}
	for _, service := range []int{echo, source, sink, brief} {
		fd, err := listen(&syscall.SockaddrInet4{Port: backendBase + service})
		if err != nil {
			return nil, err
		}
		s.service[fd] = service
		if err := poll.add(fd, epollIn); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *server) run() error {
	runtime.LockOSThread()
	for {
		for _, e := range s.poll.wait(time.Hour) {
			fd := int(e.Fd)
			if service, ok := s.service[fd]; ok {
				s.accept(fd, service)
			} else if c := s.conns[fd]; c != nil && !s.serve(fd, c, e.Events) {
				s.conns[fd] = nil
				syscall.Close(fd)
			}
		}
	}
}

func (s *server) accept(listener, service int) {
	fd, _, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	for fd >= len(s.conns) {
		s.conns = append(s.conns, make([]*served, 256)...)
	}
	s.conns[fd] = &served{service: service}
	if service == source {
		s.poll.add(fd, epollOut)
	} else {
		s.poll.add(fd, epollIn)
	}
}

// serve does what an event calls for; false ends the connection.
func (s *server) serve(fd int, c *served, events uint32) bool {
	switch c.service {
	case source:
		n, errno := write(fd, s.buf)
		return n > 0 || errno == syscall.EAGAIN
	case sink:
		n, errno := discard(fd, sinkSize)
		if n > 0 {
			s.received.n.Add(uint64(n))
		}
		return n > 0 || errno == syscall.EAGAIN
	case brief:
		n, errno := read(fd, s.buf)
		if n > 0 {
			write(fd, s.buf[:n])
		}
		return errno == syscall.EAGAIN
	default:
		return s.echo(fd, c)
	}
}

// echo answers; what does not fit waits, and nothing is read meanwhile.
func (s *server) echo(fd int, c *served) bool {
	if c.rest == nil {
		n, errno := read(fd, s.buf)
		if n <= 0 {
			return errno == syscall.EAGAIN
		}
		sent, errno := write(fd, s.buf[:n])
		if sent == n {
			return true
		}
		if sent < 0 && errno != syscall.EAGAIN {
			return false
		}
		c.rest = append(c.rest, s.buf[max(sent, 0):n]...)
		s.poll.mod(fd, epollOut)
		return true
	}
	sent, errno := write(fd, c.rest)
	if sent < 0 {
		return errno == syscall.EAGAIN
	}
	if c.rest = c.rest[sent:]; len(c.rest) == 0 {
		c.rest = nil
		s.poll.mod(fd, epollIn)
	}
	return true
}
