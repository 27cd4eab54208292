package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	bulkSize  = 256 << 10 // of one write of a stream
	sinkSize  = 1 << 20   // of one read of a stream
	connects  = 64        // under way at a time, in a loop
	heartbeat = 5 * time.Millisecond
)

// loop is one thread of the client and the connections that it drives.
type loop struct {
	load   *load
	poll   *poller
	wanted int // connections to open
	ready  atomic.Int64
	todo   []role
	from   []*syscall.SockaddrInet4
	turn   int // of from
	to     [services]*syscall.SockaddrInet4

	byFD    []*conn // by descriptor
	pairs   []*conn // the ping-pong connections
	next    int     // of pairs: who sends next
	started bool

	interval time.Duration // between scheduled requests; 0: no schedule
	due      time.Time     // the next of them

	out, in []byte

	bytes, replies, conns, errors atomic.Uint64
	latency                       Histogram
	late                          time.Duration
}

func newLoop(l *load, i, loops int) (*loop, error) {
	j := l.job
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	p := &loop{load: l, poll: poll, out: make([]byte, max(bulkSize, j.Size)), in: make([]byte, 64<<10)}
	if p.from, err = sources(j.Sources); err != nil {
		return nil, err
	}
	p.turn = i * 7
	for s := range proxied {
		if p.to[s], err = sockaddr(j.At.of(s)); err != nil {
			return nil, err
		}
	}
	for _, part := range []struct {
		n int
		r role
	}{{j.Down, roleDown}, {j.Up, roleUp}, {j.PingPong, rolePair}, {j.Short, roleShort}} {
		for range share(part.n, i, loops) {
			p.todo = append(p.todo, part.r)
		}
	}
	p.wanted = len(p.todo)
	if j.Rate > 0 {
		p.interval = time.Duration(float64(loops) / j.Rate * 1e9)
	}
	return p, nil
}

// run drives the connections until the phase is over, and closes them.
func (p *loop) run() error {
	runtime.LockOSThread() // and never unlocked: the thread ends with it
	syscall.RawSyscall(syscall.SYS_PRCTL, 29 /* PR_SET_TIMERSLACK */, 1, 0)
	defer syscall.Close(p.poll.fd)
	for range connects {
		p.openNext()
	}
	for {
		phase := p.load.phase.Load()
		if phase == over {
			break
		}
		if phase >= running && !p.started {
			p.start()
		}
		for _, e := range p.poll.wait(p.patience()) {
			if c := p.byFD[e.Fd]; c != nil {
				p.happened(c, e.Events)
			}
		}
		p.keepSchedule()
	}
	for _, c := range p.byFD {
		if c != nil {
			syscall.Close(c.fd)
		}
	}
	return nil
}

func (p *loop) patience() time.Duration {
	if p.interval > 0 && p.started {
		return min(heartbeat, time.Until(p.due))
	}
	return heartbeat
}

// openNext opens the next connection that is still to be opened.
func (p *loop) openNext() {
	if len(p.todo) == 0 {
		return
	}
	r := p.todo[0]
	p.todo = p.todo[1:]
	p.dial(r)
}

func (p *loop) dial(r role) {
	var from *syscall.SockaddrInet4
	if len(p.from) > 0 {
		from = p.from[p.turn%len(p.from)]
		p.turn++
	}
	now := time.Now()
	fd, err := connect(from, p.to[r.service(p.load.job)])
	if err != nil {
		p.errors.Add(1)
		return
	}
	for fd >= len(p.byFD) {
		p.byFD = append(p.byFD, make([]*conn, 256)...)
	}
	p.byFD[fd] = &conn{fd: fd, role: r, begun: now}
	p.poll.add(fd, epollIn|epollOut|epollEdge)
}

// start lets go those who waited for all to be there.
func (p *loop) start() {
	p.started = true
	p.due = time.Now()
	if p.interval > 0 || len(p.pairs) == 0 {
		return
	}
	n := len(p.pairs)
	if f := p.load.job.InFlight; f > 0 {
		n = min(n, share(f, 0, len(p.load.loops)))
	}
	for range n {
		p.sendNext()
	}
}

// sendNext sends a request on the connection that has rested longest.
func (p *loop) sendNext() {
	for range p.pairs {
		c := p.pairs[p.next]
		p.next = (p.next + 1) % len(p.pairs)
		if c.left == 0 && !c.broken {
			p.ask(c, time.Now())
			return
		}
	}
}

// keepSchedule sends what is due. A connection that still waits for its answer
// gets the request queued behind it; its latency counts from when it was due.
func (p *loop) keepSchedule() {
	if p.interval == 0 || !p.started || len(p.pairs) == 0 {
		return
	}
	now := time.Now()
	for !p.due.After(now) {
		c := p.pairs[p.next]
		p.next = (p.next + 1) % len(p.pairs)
		if c.left > 0 {
			c.queue = append(c.queue, p.due)
		} else if !c.broken {
			p.late = max(p.late, now.Sub(p.due))
			p.ask(c, p.due)
		}
		p.due = p.due.Add(p.interval)
	}
}
