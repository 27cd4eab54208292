package relay

import "strconv"

// machine is Flow, or one of its wrong variants.
type machine interface {
	Init()
	Turn(fills uint8)
	Readable()
	Final()
	Marked()
	Writable()
	Next() Op
	Filled(n int, proof bool)
	Doubt()
	Doubted() bool
	Recheck()
	SourceEmpty()
	SourceEnded()
	SourceBroke()
	SourceUrgent()
	Hopped(n int)
	Drained(n int)
	SinkFull()
	SinkBroke() int
	ShutDone()
	Pending() int
	Over() bool
	Ended() bool
	Broken() bool
	Cut() bool
	Stalled() bool
	AtMark() bool
	EndIsCertain() bool
}

// A shell does what a Flow says, on a kernel. Its faulty ways are for the
// tests that must see the simulation catch them.
type shell struct {
	f     machine
	k     *kernel
	say   func(format string, args ...any)
	fills uint8 // of a turn

	markIsEnd   bool // believes zero at a mark to be the end
	resetIsEnd  bool // believes zero after a reset to be the end
	againIsTrue bool // believes "again" at a mark

	doubts bool // puts off asking a source that is probably empty
}

// turnOps bounds the operations of one turn, far above what any needs.
const turnOps = 1000

// turn runs the Flow until it waits, yields or is done.
func (s *shell) turn() Op {
	f, k := s.f, s.k
	f.Turn(s.fills)
	fills, idle := 0, true
	for range turnOps {
		op := f.Next()
		switch op {
		case Wait, Yield, Done:
			s.say("%v", word(op))
			if op == Yield && idle {
				k.fail("a turn without a move yields")
			}
			return op
		case Fill:
			n, out := k.fill()
			if out == moved {
				idle = false
				if fills++; fills > int(s.fills) {
					k.fail("more fills than the turn allows")
				}
			}
			s.filled(n, out)
		case Drain:
			n, out := k.drain()
			s.say("drain: %s", told(n, out))
			switch out {
			case moved:
				f.Drained(n)
			case full:
				f.SinkFull()
				k.arm()
			case gone:
				s.sinkBroke()
			}
		case Hop:
			n, out := k.hop()
			idle = idle && out != moved && out != past
			s.say("hop: %s", told(n, out))
			s.hopped(n, out)
		case Shut:
			out := k.shutdown()
			if out == gone {
				s.say("shut: broken")
				s.sinkBroke()
			} else {
				s.say("shut")
				f.ShutDone()
			}
		}
		if f.Pending() != len(k.pipe) {
			k.fail("pending is %d, the pipe holds %d", f.Pending(), len(k.pipe))
		}
		if k.fault != nil {
			return Done
		}
	}
	k.fail("a turn has no end")
	return Done
}

func (s *shell) filled(n int, out outcome) {
	f, k := s.f, s.k
	proof := k.tcp && n < k.slots
	if out == moved && proof {
		s.say("fill: %d, the pipe was not the limit", n)
	} else {
		s.say("fill: %s", told(n, out))
	}
	switch out {
	case moved:
		f.Filled(n, proof)
		if s.doubts && !proof && n%2 == 1 { // any rule will do that draws nothing
			f.Doubt()
		}
	case again:
		if f.AtMark() && k.atMark() && !s.againIsTrue {
			f.SourceUrgent()
		} else {
			f.SourceEmpty()
		}
	case zero:
		switch {
		case !f.EndIsCertain() && k.atMark() && !s.markIsEnd:
			f.SourceUrgent()
		case k.wasReset() && !s.resetIsEnd:
			f.SourceBroke()
		default:
			f.SourceEnded()
		}
	case reset:
		f.SourceBroke()
	}
}

func (s *shell) hopped(n int, out outcome) {
	f := s.f
	switch out {
	case moved:
		f.Hopped(n)
	case past:
		f.Hopped(0)
	case again:
		f.SourceEmpty()
	case zero:
		f.SourceEnded()
	case reset:
		f.SourceBroke()
	case full:
		f.SinkFull()
		s.k.arm()
	case gone:
		s.sinkBroke()
	}
}

// sinkBroke empties the pipe of what the Flow says is lost, as its next
// borrower demands.
func (s *shell) sinkBroke() {
	lost := s.f.SinkBroke()
	s.say("lost: %d", lost)
	if lost != len(s.k.pipe) {
		s.k.fail("%d bytes are lost, the pipe holds %d", lost, len(s.k.pipe))
	}
	s.k.pipe = nil
}

// An edge is what an event said of a socket when it was collected. It may be
// told to the Flow much later.
type edge struct{ in, pri, last, out bool }

func (k *kernel) sourceEdge() edge {
	k.srcEdge = false
	return edge{
		in:   k.next < k.arrived || k.fin || k.rst,
		pri:  k.mark >= 0 && k.mark < k.arrived,
		last: k.fin || k.rst,
	}
}

func (k *kernel) sinkEdgeNow() edge {
	k.sinkEdge = false
	return edge{out: k.broken || k.armed && k.room*3 >= k.size}
}

func (s *shell) tell(e edge) {
	if e.in {
		s.f.Readable()
	}
	if e.pri {
		s.f.Marked()
	}
	if e.last {
		s.f.Final()
	}
	if e.out {
		s.f.Writable()
	}
}

func word(op Op) string {
	return [...]string{"wait", "fill", "drain", "hop", "shut", "yield", "done"}[op]
}

func told(n int, out outcome) string {
	switch out {
	case moved:
		return strconv.Itoa(n)
	case again:
		return "again"
	case zero:
		return "zero"
	case reset:
		return "reset"
	case full:
		return "full"
	case gone:
		return "broken"
	}
	return "no mark here"
}
