package main

import (
	"syscall"
	"time"
)

// role is what a connection of the client is for.
type role int8

const (
	roleDown  role = iota // takes as fast as it can
	roleUp                // sends as fast as it can
	rolePair              // a request, its reply, and again
	roleShort             // a request, its reply, the end, and another connection
)

func (r role) service(j *Job) int {
	switch {
	case r == roleDown:
		return source
	case r == roleUp:
		return sink
	case r == roleShort && j.Brief:
		return brief
	}
	return echo
}

// conn is a connection of a loop.
//
//	connecting --writable--> first --answered--> ready, and then as its role says
type conn struct {
	fd        int
	role      role
	connected bool
	counted   bool // among the ready
	broken    bool
	left      int       // bytes of the reply that are still to come
	begun     time.Time // of the request, or of a short connection
	queue     []time.Time
}

// happened does what an event calls for.
func (p *loop) happened(c *conn, events uint32) {
	if !c.connected {
		if events&(epollOut|epollHup) == 0 {
			return
		}
		if socketError(c.fd) != nil || events&epollHup != 0 {
			p.lose(c)
			return
		}
		c.connected = true
		p.greet(c)
		return
	}
	switch c.role {
	case roleDown:
		p.take(c)
	case roleUp:
		p.give(c)
	case rolePair:
		p.hear(c)
	case roleShort:
		p.hearShort(c)
	}
}

// greet is the first act on a new connection.
func (p *loop) greet(c *conn) {
	switch c.role {
	case roleDown:
		p.poll.mod(c.fd, epollIn)
	case roleUp:
		p.poll.mod(c.fd, epollOut)
		p.count(c)
	case rolePair:
		noDelay(c.fd)
		p.ask(c, time.Now())
	case roleShort:
		p.count(c)
		p.send(c)
	}
}

// count makes c one of those that are ready, once, and opens the next.
func (p *loop) count(c *conn) {
	if c.counted || p.ready.Load() == int64(p.wanted) {
		return
	}
	c.counted = true
	p.ready.Add(1)
	if c.role == rolePair {
		p.pairs = append(p.pairs, c)
	}
	p.openNext()
}

func (p *loop) take(c *conn) {
	n, errno := discard(c.fd, sinkSize)
	switch {
	case n > 0:
		p.bytes.Add(uint64(n))
		p.count(c)
	case errno != syscall.EAGAIN:
		p.lose(c)
	}
}

func (p *loop) give(c *conn) {
	if _, errno := write(c.fd, p.out[:bulkSize]); errno != 0 && errno != syscall.EAGAIN {
		p.lose(c)
	}
}

// ask sends a request that is, or was, due at begun.
func (p *loop) ask(c *conn, begun time.Time) {
	c.begun = begun
	p.send(c)
}

func (p *loop) send(c *conn) {
	size := p.load.job.Size
	c.left = size
	if n, _ := write(c.fd, p.out[:size]); n != size {
		p.lose(c)
	}
}

// hear reads a reply; the last byte of it lets the next request go.
func (p *loop) hear(c *conn) {
	n, errno := read(c.fd, p.in)
	if n <= 0 || n > c.left {
		if errno != syscall.EAGAIN {
			p.lose(c)
		}
		return
	}
	if c.left -= n; c.left > 0 {
		return
	}
	if !c.counted {
		p.count(c)
		return
	}
	now := time.Now()
	p.replies.Add(1)
	if p.load.phase.Load() == counting {
		p.latency.Add(now.Sub(c.begun))
	}
	switch j := p.load.job; {
	case len(c.queue) > 0:
		due := c.queue[0]
		c.queue = c.queue[1:]
		p.ask(c, due)
	case p.interval > 0 || !p.started:
	case j.InFlight > 0:
		p.sendNext()
	default:
		p.ask(c, now)
	}
}

// hearShort reads the reply, and the end if the backend closes first.
func (p *loop) hearShort(c *conn) {
	for {
		n, errno := read(c.fd, p.in)
		switch {
		case n > 0 && n <= c.left:
			c.left -= n
			if c.left == 0 && !p.load.job.Brief {
				p.whole(c)
				return
			}
		case n == 0 && c.left == 0 && p.load.job.Brief:
			p.whole(c)
			return
		case n < 0 && errno == syscall.EAGAIN:
			return
		default:
			p.lose(c)
			return
		}
	}
}

// whole ends a short connection that did all it should, and begins another.
func (p *loop) whole(c *conn) {
	p.close(c)
	p.conns.Add(1)
	if p.load.phase.Load() == counting {
		p.latency.Add(time.Since(c.begun))
	}
	p.dial(roleShort)
}

// lose ends a connection that broke. A short one is replaced; while the load
// opens, the next has its chance.
func (p *loop) lose(c *conn) {
	p.close(c)
	p.errors.Add(1)
	switch {
	case c.role == roleShort && p.load.phase.Load() >= running:
		p.dial(roleShort)
	case !c.counted:
		p.openNext()
	}
}

func (p *loop) close(c *conn) {
	c.broken = true
	p.byFD[c.fd] = nil
	syscall.Close(c.fd)
}
