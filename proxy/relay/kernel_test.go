package relay

import "fmt"

// A kernel is a model of what one Flow stands on: the receiving half of a
// source socket, one pipe and the sending half of a sink socket. It is unkind
// wherever Linux may be, and it keeps the shadow book: every byte has a
// number, and each must come out once, in order, urgent or not as it went in.
// The first offence is kept in fault.
type kernel struct {
	roll func(n int) int // any of 0..n-1; what it says is the whole of chance
	calm bool            // moves are never cut short, for stories

	tcp     bool   // the source is TCP; a unix socket has no marks and gives no proof
	segs    []span // the source's queue, segment by segment
	next    int    // the first byte not read
	arrived int    // the byte after the last that arrived
	mark    int    // the urgent byte, or -1; it may not have arrived yet
	fin     bool
	rst     bool // ends the queue only if no fin came before
	taken   bool // the reset's error was collected, so that zero follows
	srcEdge bool // an event waits to be collected

	slots int // of the pipe; a piece of a segment takes one
	page  int // bytes of a segment that fit one slot
	pipe  []int

	room, size int  // of the sink
	thirsty    bool // a write found no room; without this no event tells of room
	armed      bool // writability is asked for
	broken     bool
	shut       bool
	sinkEdge   bool
	cutAt      int // the next drain is interrupted here, for stories; 0 is never

	sent  []sent
	got   int // the next byte to be delivered
	fault error
}

type span struct{ from, to int }

type sent struct{ urgent, dropped bool }

// What came of a call.
type outcome uint8

const (
	moved outcome = iota
	again
	zero
	reset
	full // the sink has no room
	gone // the sink is broken
	past // the source does not stand at a mark any more
)

func newKernel(roll func(int) int) *kernel {
	return &kernel{roll: roll, tcp: true, mark: -1, slots: 4, page: 4, room: 8, size: 8, armed: true}
}

func (k *kernel) fail(format string, args ...any) {
	if k.fault == nil {
		k.fault = fmt.Errorf(format, args...)
	}
}

// arrive appends n bytes, to the last segment if join, as coalescing does.
func (k *kernel) arrive(n int, join bool) {
	for i := range n {
		k.sent = append(k.sent, sent{urgent: k.arrived+i == k.mark})
	}
	if last := len(k.segs) - 1; join && last >= 0 {
		k.segs[last].to += n
	} else {
		k.segs = append(k.segs, span{k.arrived, k.arrived + n})
	}
	k.arrived += n
	k.srcEdge = true
}

// announce makes the byte that arrives next the urgent one, as a segment's
// urgent pointer may do ahead of the byte. TCP has room for one mark: an
// earlier one turns into an ordinary byte, or is dropped if the reader stands
// right at it.
func (k *kernel) announce() {
	if old := k.mark; old >= k.next && old < k.arrived {
		if old == k.next {
			k.sent[old].dropped = true
			k.next++
		} else {
			k.sent[old].urgent = false
		}
	}
	k.mark = k.arrived
}

func (k *kernel) end()   { k.fin, k.srcEdge = true, true }
func (k *kernel) abort() { k.rst, k.srcEdge = true, true }

func (k *kernel) free(n int) {
	k.room = min(k.size, k.room+n)
	if k.thirsty && k.armed && k.room*3 >= k.size {
		k.thirsty, k.sinkEdge = false, true
	}
}

func (k *kernel) breakSink() { k.broken, k.sinkEdge = true, true }

func (k *kernel) atMark() bool { return k.mark >= 0 && k.mark == k.next }

// wasReset is the other way by which the kernel tells an end from a reset.
func (k *kernel) wasReset() bool { return k.rst && !k.fin }

func (k *kernel) fill() (int, outcome) {
	if len(k.pipe) > 0 {
		k.fail("a loaded pipe was filled")
	}
	n, slots := 0, k.slots
	for at := k.next; at < k.arrived && at != k.mark && slots > 0; slots-- {
		stop := k.segmentEnd(at)
		if k.mark > at {
			stop = min(stop, k.mark)
		}
		stop = min(stop, at+k.page)
		n += stop - at
		at = stop
	}
	switch least := k.least(); {
	case n > 0:
		if n > least && !k.calm && k.roll(4) == 0 {
			n = least + k.roll(n-least)
		}
		k.load(n)
		return n, moved
	case k.fin:
		return 0, zero
	case k.rst && !k.taken:
		k.taken = true
		return 0, reset
	case k.rst:
		return 0, zero
	}
	return 0, again
}

// least is how far a fill that was cut short comes for certain: to a full
// pipe, whatever the length of its pieces. A unix socket promises nothing.
func (k *kernel) least() int {
	if k.tcp {
		return k.slots
	}
	return 1
}

func (k *kernel) segmentEnd(at int) int {
	for len(k.segs) > 0 && k.segs[0].to <= k.next {
		k.segs = k.segs[1:]
	}
	for _, s := range k.segs {
		if at < s.to {
			return s.to
		}
	}
	panic("segmentEnd: past the queue")
}

func (k *kernel) load(n int) {
	for range n {
		k.pipe = append(k.pipe, k.next)
		k.next++
	}
}

func (k *kernel) drain() (int, outcome) {
	switch {
	case k.broken:
		return 0, gone
	case len(k.pipe) == 0:
		k.fail("an empty pipe was drained")
		return 0, full
	case k.room == 0:
		k.thirsty = true
		return 0, full
	}
	n := min(len(k.pipe), k.room)
	if k.cutAt > 0 {
		n, k.cutAt = min(n, k.cutAt), 0
	}
	if !k.calm && k.roll(3) == 0 {
		n = 1 + k.roll(n) // a signal; nothing will tell that there is still room
	}
	for _, id := range k.pipe[:n] {
		k.deliver(id, false)
	}
	k.pipe = k.pipe[n:]
	return n, moved
}

// hop carries the urgent byte over and reads on past it: a read that finds
// nothing there still leaves the mark behind.
func (k *kernel) hop() (int, outcome) {
	switch {
	case len(k.pipe) > 0:
		k.fail("an urgent byte overtook the pipe")
	case !k.atMark():
		return 0, past
	case k.wasReset():
		return 0, reset
	case k.next == k.arrived && k.fin:
		return 0, zero
	case k.next == k.arrived:
		return 0, again
	case k.broken:
		return 0, gone
	}
	if k.room == 0 {
		k.thirsty = true
		return 0, full
	}
	k.deliver(k.next, true)
	k.next, k.mark = k.next+1, -1
	n := min(k.arrived-k.next, k.page)
	if n > 0 && !k.calm {
		n = k.roll(n + 1)
	}
	k.load(n)
	return n, moved
}

func (k *kernel) deliver(id int, urgent bool) {
	for k.got < len(k.sent) && k.sent[k.got].dropped {
		k.got++
	}
	switch {
	case k.shut:
		k.fail("byte %d came after the end", id)
	case id != k.got:
		k.fail("byte %d came, want %d", id, k.got)
	case urgent != k.sent[id].urgent:
		k.fail("byte %d came urgent=%v, want %v", id, urgent, !urgent)
	}
	k.got = id + 1
	k.room--
}

func (k *kernel) shutdown() outcome {
	switch {
	case k.broken:
		return gone
	case k.shut:
		k.fail("the sink was shut twice")
	case !k.fin:
		k.fail("the sink was shut, but its source has not ended")
	case len(k.pipe) > 0 || !k.allDelivered():
		k.fail("the sink was shut before byte %d", k.got)
	}
	k.shut = true
	return moved
}

func (k *kernel) allDelivered() bool {
	for _, s := range k.sent[min(k.got, len(k.sent)):] {
		if !s.dropped {
			return false
		}
	}
	return true
}

// arm asks for events of writability. The kernel looks at once, so that room
// which came since the last write is not missed.
func (k *kernel) arm() {
	if !k.armed {
		k.armed = true
		k.sinkEdge = k.sinkEdge || k.room > 0
	}
}
