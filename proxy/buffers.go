package proxy

import "sluice/internal/sys"

// buffers is a worker's store of buffers for flows that are copied: those of a
// listener with relay = "copy", and those that could get no pipe. A flow
// borrows one as it would a pipe. Free ones are few, so that a burst leaves
// little behind. They are in the book, so that what was read and not yet written
// outlives the process.
type buffers struct {
	book  *book
	marks []bufferMark // of all, in the book
	all   [][]byte     // nil: never made
	empty []int32
	holes []int32 // their pages were given back
}

// bufferMark says of a buffer what was read into it and not yet written: that is
// as much as the flow has pending, the last of which is before end. While a system
// call is under way it says what was so before, and the kernel how far it came.
type bufferMark struct {
	place  uint64 // in the book; 0: not there
	end    uint32
	moving uint32
	left   uint32       // when writing: what was pending before
	asked  uint32       // when reading: how far the source is metered; 0: the kernel cannot
	moved  uint64       // when writing: what the flow had moved before
	out    sys.Outgoing // when writing: what the kernel says
}

// The values of bufferMark.moving.
const (
	still   = iota
	reading // end is not yet known
	writing // how much is pending is not yet known
)

// read says that the buffer is about to be read into.
func (m *bufferMark) read(source int) {
	m.asked = 0
	if m.place != 0 && meter(source, bufferSize) == 0 {
		m.asked = bufferSize
	}
	m.moving = reading
}

// write says that what is pending is about to be written.
func (m *bufferMark) write(s *stream) {
	m.left, m.moved = uint32(s.Pending()), s.moved
	m.out.Begin()
	m.moving = writing
}

// meter is sys.Meter, but where a test shows what an older kernel does.
var meter = sys.Meter

const (
	bufferSize  = 64 << 10
	buffersKept = 4
)

func (b *buffers) take() int32 {
	if n := len(b.empty); n > 0 {
		i := b.empty[n-1]
		b.empty = b.empty[:n-1]
		return i
	}
	if n := len(b.holes); n > 0 {
		i := b.holes[n-1]
		b.holes = b.holes[:n-1]
		return i
	}
	fresh, place := b.book.buffer(bufferSize)
	b.all = append(b.all, fresh)
	i := int32(len(b.all) - 1)
	b.marks[i] = bufferMark{place: place}
	return i
}

// give takes a buffer back, whatever is in it.
func (b *buffers) give(i int32) {
	b.marks[i].end, b.marks[i].moving = 0, still
	if len(b.empty) >= buffersKept {
		forget(b.all[i])
		b.holes = append(b.holes, i)
		return
	}
	b.empty = append(b.empty, i)
}

// at is a buffer and what is known of it.
func (b *buffers) at(i int32) ([]byte, *bufferMark) { return b.all[i], &b.marks[i] }
