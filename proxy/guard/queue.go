package guard

// Ticket is a connection that waits: its worker, its slot and its generation.
type Ticket struct{ Worker, Slot, Generation uint32 }

// queue is who waits for a backend, fair by source: sources take turns, and within
// one it is first come, first served. It is full with most waiting; then the last
// of the source that has most there makes room for one whose source has fewer, also
// with it, so that one source cannot fill it. Every step takes the same time however many wait.
//
//	turns:  A <-> C <-> B <-> (round)        A: 1 2 3   C: 7   B: 4 5
//	        ^ next
//	by length:  1: C   2: B   3: A           A's 3 goes first when it is full
type queue struct {
	next    *waiter            // whose turn it is; nil: nobody waits
	sources map[uint64]*waiter // by key
	lengths []*waiter          // the sources of each length, a list each
	longest int
	tickets map[Ticket]*place
}

// waiter is a source of which somebody waits.
type waiter struct {
	key          uint64
	after, prior *waiter // in the round of turns
	same, before *waiter // in the list of its length
	first, last  *place
	length       int
}

// place is one ticket in its source's line.
type place struct {
	ticket Ticket
	of     *waiter
	behind *place
	ahead  *place
}

func (q *queue) len() int { return len(q.tickets) }

// push puts a ticket in its source's line: at the end, or at the head, in front of
// all sources, if it has been called and found nothing. If that makes more than most,
// the last of the longest line is out, which may be the one that came.
func (q *queue) push(source uint64, t Ticket, most int, head bool) (out Ticket, full bool) {
	if q.sources == nil {
		q.sources, q.tickets = map[uint64]*waiter{}, map[Ticket]*place{}
	}
	s := q.sources[source]
	length := 0
	if s != nil {
		length = s.length
	}
	if q.len() >= most && !head && length+1 >= q.longest {
		return t, true // its own line would be the longest, or as long
	}
	if s == nil {
		s = &waiter{key: source}
		q.sources[source] = s
		q.seat(s)
	}
	p := &place{ticket: t, of: s}
	q.tickets[t] = p
	if head {
		q.next = s
		p.behind = s.first
	} else {
		p.ahead = s.last
	}
	s.link(p)
	q.grow(s, 1)
	if q.len() <= most || head {
		return Ticket{}, false
	}
	out = q.lengths[q.longest].last.ticket
	q.remove(out)
	return out, true
}

// pop takes whose turn it is.
func (q *queue) pop() (Ticket, bool) {
	s := q.next
	if s == nil {
		return Ticket{}, false
	}
	t := s.first.ticket
	q.next = s.after
	q.remove(t)
	return t, true
}

// remove takes a ticket out, wherever it is.
func (q *queue) remove(t Ticket) bool {
	p := q.tickets[t]
	if p == nil {
		return false
	}
	delete(q.tickets, t)
	s := p.of
	s.unlink(p)
	q.grow(s, -1)
	if s.length == 0 {
		q.unseat(s)
		delete(q.sources, s.key)
	}
	return true
}

// seat gives a source the last turn of the round.
func (q *queue) seat(s *waiter) {
	if q.next == nil {
		s.after, s.prior, q.next = s, s, s
		return
	}
	s.after, s.prior = q.next, q.next.prior
	s.prior.after, s.after.prior = s, s
}

func (q *queue) unseat(s *waiter) {
	if s.after == s {
		q.next = nil
		return
	}
	s.prior.after, s.after.prior = s.after, s.prior
	if q.next == s {
		q.next = s.after
	}
}

// link puts a place where its neighbours say.
func (s *waiter) link(p *place) {
	if p.ahead != nil {
		p.ahead.behind = p
	} else {
		s.first = p
	}
	if p.behind != nil {
		p.behind.ahead = p
	} else {
		s.last = p
	}
}

func (s *waiter) unlink(p *place) {
	if p.ahead != nil {
		p.ahead.behind = p.behind
	} else {
		s.first = p.behind
	}
	if p.behind != nil {
		p.behind.ahead = p.ahead
	} else {
		s.last = p.ahead
	}
}

// grow moves a source to the list of its new length.
func (q *queue) grow(s *waiter, by int) {
	if s.length > 0 {
		if s.before != nil {
			s.before.same = s.same
		} else {
			q.lengths[s.length] = s.same
		}
		if s.same != nil {
			s.same.before = s.before
		}
	}
	s.same, s.before = nil, nil
	if s.length += by; s.length > 0 {
		for len(q.lengths) <= s.length {
			q.lengths = append(q.lengths, nil)
		}
		if s.same = q.lengths[s.length]; s.same != nil {
			s.same.before = s
		}
		q.lengths[s.length] = s
		q.longest = max(q.longest, s.length)
	}
	for q.longest > 0 && q.lengths[q.longest] == nil {
		q.longest--
	}
}
