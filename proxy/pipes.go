package proxy

import (
	"os"
	"sync/atomic"
	"syscall"

	"sluice/internal/sys"
)

// pipes is a worker's store of empty pipes. A flow borrows one when it fills
// and returns it as soon as it is drained, so there are about as many as flows
// that wait for a slow reader. Opening one costs as much as a request
// (7-10 µs), hence the store.
//
// Pipes are as large as asked for: an empty one pins only its slots (10 KiB for
// 1 MiB), many slots are what proves a short fill complete, and how much a full
// one pins is decided by the length of the fill. An unprivileged user has a
// share of pages for all pipes (pipe(7)) beyond which they have two slots: such
// a worker makes only its first few large, leaves the rest at the kernel's
// default, and lends the large ones first.
type pipes struct {
	size  int     // bytes asked for
	all   []pipe  // in the book
	large []int32 // indices into all: open, empty and of the size asked for
	small []int32 // the same, smaller
	holes []int32 // indices into all: closed

	open, used atomic.Int64
	larges     int
	pinned     int           // bytes in lent pipes
	spares     *atomic.Int64 // pipes that all workers may still open beyond those kept
}

// pipe is two descriptors, -1 when it is closed. slots is how many separate
// pieces it holds. It is plain data: a descriptor is noted after it was opened, and
// crossed out before it is closed.
type pipe struct {
	r, w  int
	size  int
	slots int
}

const (
	// pipesKept is how many pipes a worker holds when no byte is in flight. They
	// are opened at the start: when descriptors run out, that many flows can
	// still move.
	pipesKept = 4
	// largePipes of 1 MiB are 16 MiB for each worker, a quarter of what an
	// unprivileged user may have.
	largePipes = 16
)

// privileged processes may have any number of pipes of any size.
var privileged = sys.MayExceedLimits()

// pageSize is what a slot holds.
var pageSize = os.Getpagesize()

// newPipes opens those that are kept. table is where all of them are noted.
func newPipes(size int, spares *atomic.Int64, table []pipe) (*pipes, error) {
	p := &pipes{size: size, spares: spares, all: table[:0]}
	for range pipesKept {
		i, e := p.make()
		if e != 0 {
			p.close()
			return nil, e
		}
		p.put(i)
	}
	return p, nil
}

// take lends an empty pipe.
func (p *pipes) take() (int32, syscall.Errno) {
	for _, from := range [...]*[]int32{&p.large, &p.small} {
		if n := len(*from); n > 0 {
			i := (*from)[n-1]
			*from = (*from)[:n-1]
			p.used.Add(1)
			return i, 0
		}
	}
	i, e := p.make()
	if e == 0 {
		p.used.Add(1)
	}
	return i, e
}

// give takes a pipe back. It must be empty: the next borrower would send what
// is left in it.
func (p *pipes) give(i int32) {
	p.used.Add(-1)
	p.put(i)
}

func (p *pipes) put(i int32) {
	if p.all[i].size >= p.size {
		p.large = append(p.large, i)
	} else {
		p.small = append(p.small, i)
	}
}

// drop closes a lent pipe with the n bytes that are in it. Below the number kept, another
// takes its place.
func (p *pipes) drop(i int32, n int) {
	p.pinned -= n
	p.used.Add(-1)
	p.shut(i)
	if p.open.Load() < pipesKept {
		if fresh, e := p.make(); e == 0 {
			p.put(fresh)
		}
	}
}

// trim closes what is more than the number kept, the small ones first.
func (p *pipes) trim() {
	for _, from := range [...]*[]int32{&p.small, &p.large} {
		for len(*from) > 0 && p.spare() {
			n := len(*from) - 1
			p.shut((*from)[n])
			*from = (*from)[:n]
		}
	}
}

// spare reports whether trim would close anything.
func (p *pipes) spare() bool { return len(p.large)+len(p.small) > pipesKept }

func (p *pipes) at(i int32) *pipe { return &p.all[i] }

// make opens a pipe. EMFILE is also the word for having used up what all
// workers may open together: slow readers must not take the descriptors of
// those who are still to come.
func (p *pipes) make() (int32, syscall.Errno) {
	if len(p.holes) == 0 && len(p.all) == cap(p.all) {
		return -1, syscall.EMFILE // there is no room to note it
	}
	if p.open.Load() >= pipesKept && p.spares.Add(-1) < 0 {
		p.spares.Add(1)
		return -1, syscall.EMFILE
	}
	r, w, e := sys.Pipe()
	if e != 0 {
		if p.open.Load() >= pipesKept {
			p.spares.Add(1)
		}
		return -1, e
	}
	size := 0
	if p.larges < largePipes || privileged {
		size, e = sys.SetPipeSize(w, p.size)
	}
	if size == 0 || e != 0 {
		size, _ = sys.PipeSize(w)
	}
	if size >= p.size {
		p.larges++
	}
	p.open.Add(1)
	return p.note(pipe{r: r, w: w, size: size, slots: size / pageSize}), 0
}

// adopt takes over a pipe of the process before, with n bytes in it, as lent. It
// takes the place of an empty one, or with each process there would be more.
func (p *pipes) adopt(was pipe, n int) int32 {
	for _, from := range [...]*[]int32{&p.small, &p.large} {
		if last := len(*from) - 1; last >= 0 {
			p.shut((*from)[last])
			*from = (*from)[:last]
			break
		}
	}
	if p.open.Add(1) > pipesKept {
		p.spares.Add(-1)
	}
	p.used.Add(1)
	p.pinned += n
	if was.size >= p.size {
		p.larges++
	}
	return p.note(was)
}

// note puts an open pipe into the table.
func (p *pipes) note(made pipe) int32 {
	if n := len(p.holes); n > 0 {
		i := p.holes[n-1]
		p.holes = p.holes[:n-1]
		p.all[i] = made
		return i
	}
	p.all = append(p.all, made)
	return int32(len(p.all) - 1)
}

func (p *pipes) shut(i int32) {
	if p.all[i].size >= p.size {
		p.larges--
	}
	was := p.all[i]
	p.all[i] = pipe{r: -1, w: -1}
	sys.Close(was.r)
	sys.Close(was.w)
	p.holes = append(p.holes, i)
	if p.open.Add(-1) >= pipesKept {
		p.spares.Add(1)
	}
}

// close closes the store and every pipe in it, lent or not.
func (p *pipes) close() {
	for i := range p.all {
		if p.all[i].w > 0 {
			sys.Close(p.all[i].r)
			sys.Close(p.all[i].w)
		}
	}
	p.all, p.large, p.small, p.holes = nil, nil, nil, nil
	p.open.Store(0)
	p.used.Store(0)
}
