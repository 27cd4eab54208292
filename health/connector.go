package health

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"sluice/internal/sys"
)

// connector makes the connects of checks of type tcp, which are very many and
// cost next to nothing but what the kernel takes. It keeps its sockets and goes
// from backend to backend with them; nobody waits for an answer, but look finds
// those that have come. It belongs to the goroutine of Run.
//
//	           begin: connect
//	+--------+ --------------> +--------+
//	|  idle  |                 |  busy  |
//	+--------+ <-------------- +--------+
//	        look: answered, refused or
//	        late, and disconnect
//
// It takes care that the backend's program does not notice. With quick ACKs
// off the kernel holds the ACK of the handshake back for some 200 ms, waiting
// for data to send it with; look comes before that, and to disconnect is to send
// a RST. The backend's kernel then drops a handshake that was never finished:
// nothing is accepted, nothing is logged, no error is counted against the prober
// (MySQL blocks a host for those), and neither side keeps a TIME_WAIT, which
// 10,000 backends every 2 s would pile up to 300,000. Only where the ACK had gone
// out first does the program see a connection, and its reset.
type connector struct {
	epoll  int // 0: not opened yet
	events sys.Events
	idle   map[int][]int    // descriptors, by family
	busy   map[int]*inquiry // by descriptor
	late   time.Time        // none of busy is late before that

	next time.Time // to look again; zero: nothing to look for
	wait time.Duration
	came []*inquiry // and have their result
}

// Answers are looked for at growing distances, so that one is found at most
// twice as late as it came, and no later than leastWait or mostWait after it.
const (
	leastWait = time.Millisecond
	mostWait  = 20 * time.Millisecond
)

// mostIdle bounds the sockets that are kept, of each family. Beyond it a probe
// opens one and closes it.
const mostIdle = 128

func newConnector() *connector {
	return &connector{idle: map[int][]int{}, busy: map[int]*inquiry{}}
}

// connects reports whether the question is a bare connect, which is all that a
// connector can ask.
func (q *inquiry) connects() bool {
	return q.kind == "tcp" && q.at.Unix == "" && !q.settings.SendProxy
}

// begin asks. What becomes of it is the next look's to say, and that is due at
// once: a backend on this machine has answered by then.
func (c *connector) begin(q *inquiry, now time.Time) {
	c.next, c.wait = now, leastWait
	to := sys.TCPAddr(q.at.TCP)
	fd, err := c.socket(to.Family())
	if err != nil {
		c.end(q, unasked{err})
		return
	}
	sys.DelayAck(fd) // holds until the next disconnect
	errno := sys.Connect(fd, &to)
	if errno == syscall.EINPROGRESS {
		if late := now.Add(q.settings.Timeout); len(c.busy) == 0 || late.Before(c.late) {
			c.late = late
		}
		c.busy[fd] = q
		return
	}
	c.release(fd, to.Family())
	c.end(q, connectError(q.at, errno))
}

// look returns those who have a result since the last look; they are the
// caller's until the next.
func (c *connector) look(now time.Time) []*inquiry {
	if c.next.IsZero() || now.Before(c.next) {
		return nil
	}
	for len(c.busy) > 0 {
		n := sys.EpollSpin(c.epoll, &c.events, 0)
		c.sort(n)
		if n < c.events.Room() {
			break
		}
	}
	if len(c.busy) > 0 && !now.Before(c.late) {
		c.giveUp(now)
	}
	c.next = time.Time{}
	if len(c.busy) > 0 {
		c.next = now.Add(c.wait)
		c.wait = min(2*c.wait, mostWait)
		if c.late.Before(c.next) {
			c.next = c.late
		}
	}
	came := c.came
	c.came = c.came[:0]
	return came
}

// sort takes what the kernel has said of n sockets. It says the same of an idle
// one, which is connected to nobody.
func (c *connector) sort(n int) {
	for i := range n {
		e := c.events.At(i)
		fd := int(e.Low)
		q := c.busy[fd]
		if q == nil {
			continue
		}
		var errno syscall.Errno
		if e.Events&(sys.Err|sys.Hup) != 0 {
			if errno = sys.SocketError(fd); errno == 0 {
				continue // not of this connect
			}
		}
		c.done(fd, q)
		c.end(q, connectError(q.at, errno))
	}
}

// giveUp ends what is late, and finds out who will be next.
func (c *connector) giveUp(now time.Time) {
	c.late = time.Time{}
	for fd, q := range c.busy {
		late := q.began.Add(q.settings.Timeout)
		switch {
		case !now.Before(late):
			c.done(fd, q)
			c.end(q, fmt.Errorf("connect %v: no answer within %v", q.at, q.settings.Timeout))
		case c.late.IsZero() || late.Before(c.late):
			c.late = late
		}
	}
}

func (c *connector) done(fd int, q *inquiry) {
	delete(c.busy, fd)
	to := sys.TCPAddr(q.at.TCP)
	c.release(fd, to.Family())
}

func (c *connector) end(q *inquiry, result error) {
	q.result = result
	c.came = append(c.came, q)
}

// socket is one that is connected to nobody.
func (c *connector) socket(family int) (int, error) {
	if idle := c.idle[family]; len(idle) > 0 {
		c.idle[family] = idle[:len(idle)-1]
		return idle[len(idle)-1], nil
	}
	if c.epoll == 0 {
		ep, err := sys.EpollCreate()
		if err != nil {
			return 0, os.NewSyscallError("epoll_create", err)
		}
		c.epoll = ep
	}
	fd, errno := sys.Socket(family)
	if errno != 0 {
		return 0, fmt.Errorf("socket: %w", errno)
	}
	sys.ResetOnClose(fd)
	if errno := sys.EpollAdd(c.epoll, fd, sys.Out|sys.Edge, uint32(fd), 0); errno != 0 {
		sys.Close(fd)
		return 0, fmt.Errorf("epoll_ctl: %w", errno)
	}
	return fd, nil
}

// release takes a socket back.
func (c *connector) release(fd, family int) {
	if len(c.idle[family]) >= mostIdle || sys.Disconnect(fd) != 0 {
		sys.Close(fd)
		return
	}
	c.idle[family] = append(c.idle[family], fd)
}

// close ends all of it; those who are busy get no result.
func (c *connector) close() {
	for fd := range c.busy {
		sys.Close(fd)
	}
	for _, idle := range c.idle {
		for _, fd := range idle {
			sys.Close(fd)
		}
	}
	if c.epoll != 0 {
		sys.Close(c.epoll)
	}
	*c = *newConnector()
}
