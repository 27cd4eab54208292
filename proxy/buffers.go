package proxy

// buffers is a worker's store of buffers for flows that are copied: those of a
// listener with relay = "copy", and those that could get no pipe. A flow
// borrows one as it would a pipe. Free ones are few, so that a burst leaves
// little behind.
type buffers struct {
	all   []buffer
	empty []int32
	holes []int32
}

// buffer holds bytes from at to end that were read and not yet written.
type buffer struct {
	bytes   []byte
	at, end int
}

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
	fresh := buffer{bytes: make([]byte, bufferSize)}
	if n := len(b.holes); n > 0 {
		i := b.holes[n-1]
		b.holes = b.holes[:n-1]
		b.all[i] = fresh
		return i
	}
	b.all = append(b.all, fresh)
	return int32(len(b.all) - 1)
}

// give takes a buffer back, whatever is in it.
func (b *buffers) give(i int32) {
	if len(b.empty) >= buffersKept {
		b.all[i] = buffer{}
		b.holes = append(b.holes, i)
		return
	}
	b.all[i].at, b.all[i].end = 0, 0
	b.empty = append(b.empty, i)
}

func (b *buffers) at(i int32) *buffer { return &b.all[i] }
