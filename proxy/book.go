package proxy

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"sluice/internal/sys"
)

// The book is what must survive the process: conns, pipes, rings and counters,
// as plain data without a Go pointer. With Options.Keep it is a file in memory
// that whoever holds its descriptor can read when the process is gone; else it
// is private memory of the same shape.
//
//	+--------+------------------------------+-----------------------+-----+---------+
//	| front  | chapter of worker 0          | chapter of worker 1   | ... | growth  |
//	| header | page conns pipes marks ring  | ...                   |     | buffers |
//	| layout |                              |                       |     | blobs   |
//	| blobs' |                              |                       |     |         |
//	+--------+------------------------------+-----------------------+-----+---------+
//
// Only its worker writes a chapter. What stands there is written in such an order
// that a reader who knows nothing of the moment of the crash, but can ask the
// kernel, finds out what was going on; fault_test.go lists the moments.
type book struct {
	fd      int // -1: private memory
	memory  []byte
	shape   shape
	growing sync.Mutex // held while the file becomes longer or is closed, or a blob is written
	maps    *[][]byte  // all mappings
}

// shape is how much a book has room for.
type shape struct {
	Workers int
	Conns   int // of each worker, slot 0 included
	Pipes   int // of each worker
	Buffers int // of each worker
}

// page is what a worker writes that is neither a conn nor a pipe.
type page struct {
	used   uint32 // slots 1 to used have been taken at some time
	births uint32 // generation of the latest conn
	_      [56]byte
	count  counters
	_      [64]byte
	marks  ringMarks
}

// chapter is what the book holds of one worker.
type chapter struct {
	page    *page
	conns   []conn
	cards   []card
	pipes   []pipe
	buffers []bufferMark
	ring    []told
}

const (
	bookMagic = "sluice book\n"
	// frontSize is room for the header, the layout and the directory of blobs.
	frontSize = 64 << 10
	// bookAlign is a multiple of the page size of every system Linux runs on.
	bookAlign = 64 << 10
)

// header begins the front. Its place and form never change; all else is found by
// the layout behind it.
type header struct {
	magic    [16]byte
	complete atomic.Uint32 // 1: all there is to be read was written
	layout   uint32        // bytes of the layout, which is JSON
	origin   int64         // CLOCK_MONOTONIC in ns when the process's clock was 0
	size     atomic.Uint64 // bytes of the file that are in use
}

// Where in the front things are.
const (
	layoutAt    = 128
	directoryAt = 48 << 10
)

// newBook opens an empty book, which is not complete yet.
func newBook(keep bool, s shape, origin int64) (*book, error) {
	b := &book{fd: -1, shape: s}
	l := describe(s)
	n := l.size()
	var err error
	if keep {
		if b.fd, err = sys.MemFile("sluice-book", n); err != nil {
			return nil, err
		}
		if b.memory, err = sys.MapFile(b.fd, 0, n, true); err != nil {
			sys.Close(b.fd)
			return nil, err
		}
	} else if b.memory, err = sys.Map(n); err != nil {
		return nil, err
	}
	// Stats may be asked of a Server that has stopped.
	b.maps = &[][]byte{b.memory}
	runtime.AddCleanup(b, unmapAll, b.maps)
	h := b.header()
	copy(h.magic[:], bookMagic)
	h.origin = origin
	text := l.encode()
	if len(text) > directoryAt-layoutAt {
		return nil, fmt.Errorf("the layout of the book has %d bytes, which is too long", len(text))
	}
	h.layout = uint32(len(text))
	copy(b.memory[layoutAt:], text)
	h.size.Store(uint64(n))
	return b, nil
}

func (b *book) header() *header { return (*header)(unsafe.Pointer(&b.memory[0])) }

// chapter is that of worker i.
func (b *book) chapter(i int) chapter {
	l := describe(b.shape)
	at := func(section string) unsafe.Pointer { return unsafe.Pointer(&b.memory[l.at(section, i)]) }
	return chapter{
		page:    (*page)(at("page")),
		conns:   unsafe.Slice((*conn)(at("conn")), b.shape.Conns),
		cards:   unsafe.Slice((*card)(at("card")), b.shape.Conns),
		pipes:   unsafe.Slice((*pipe)(at("pipe")), b.shape.Pipes),
		buffers: unsafe.Slice((*bufferMark)(at("buffer")), b.shape.Buffers),
		ring:    unsafe.Slice((*told)(at("told")), ringSize),
	}
}

// grow makes the file n bytes longer and returns where they begin. Its callers
// hold growing.
func (b *book) grow(n int) (int, error) {
	at := int(b.header().size.Load())
	n = aligned(n)
	if err := sys.Resize(b.fd, at+n); err != nil {
		return 0, err
	}
	b.header().size.Store(uint64(at + n))
	return at, nil
}

func unmapAll(maps *[][]byte) {
	for _, m := range *maps {
		sys.Unmap(m)
	}
}

// buffer makes n bytes, and says where in the book they are; 0 for nowhere.
func (b *book) buffer(n int) ([]byte, uint64) {
	if b == nil || b.fd < 0 {
		return make([]byte, n), 0
	}
	b.growing.Lock()
	defer b.growing.Unlock()
	at, err := b.grow(n)
	if err == nil {
		if m, err := sys.MapFile(b.fd, at, n, true); err == nil {
			*b.maps = append(*b.maps, m)
			return m, uint64(at)
		}
	}
	return make([]byte, n), 0
}

// complete says whether the next process can go by the book.
func (b *book) complete(yes bool) {
	n := uint32(0)
	if yes {
		n = 1
	}
	b.header().complete.Store(n)
}

// close closes the file. The memory stays for as long as somebody has the book.
func (b *book) close() {
	b.growing.Lock()
	defer b.growing.Unlock()
	if b.fd >= 0 {
		sys.Close(b.fd)
		b.fd = -1
	}
}

func aligned(n int) int { return (n + bookAlign - 1) / bookAlign * bookAlign }

// forget gives back the pages that lie wholly in the memory of a slice.
func forget[T any](s []T) {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	to := from + uintptr(len(s))*unsafe.Sizeof(*new(T))
	page := uintptr(os.Getpagesize())
	first, last := (from+page-1)/page*page, to/page*page
	if first < last {
		sys.Forget(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), first-from)), last-first))
	}
}
