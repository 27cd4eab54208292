package keeper

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Phase is what a worker is about.
type Phase uint32

// The phases. A death in Serving or Upgrading is survived.
const (
	Starting  Phase = iota // nothing is to be kept yet
	Serving                // what is open must outlive the process
	Upgrading              // it leaves to make room for another program
	Leaving                // it ends for good
	Looping                // three short deaths in a row: the keeper has given up
)

// Loop is how many deaths in a row, each before the process was ready or within
// Short of that, are a crash loop.
const (
	Loop  = 3
	Short = time.Second
)

// late is how long a process may take to adopt what there is, unless Options say
// otherwise.
const late = 10 * time.Second

// words is the page as it lies in memory. Fields are only ever appended, and a
// change of meaning changes version: an older program may have to read it.
type words struct {
	magic, version uint32

	phase      uint32
	supervisor int32 // process ids
	worker     int32
	keeper     int32

	// Descriptors, as every process from the first worker on has them; -1: none.
	program  int32 // what runs next
	fallback int32 // what runs if that fails
	book     int32
	control  int32
	bell     int32 // an eventfd: rung when a process has adopted
	leader   int32 // a pidfd of the supervisor

	attempt    uint32 // the latest process that a keeper has run
	adopted    uint32 // the attempt that has adopted last
	deaths     uint32 // short ones in a row
	rolledBack uint32 // 1: the fallback was taken; who has told of it sets 0
	failure    uint32 // why the latest attempt failed
	upgrade    uint32 // number of the upgrade that is under way; 0: none

	ready  uint32 // 1: the worker serves
	status uint32 // wait status of the worker that died last, and
	whose  int32  // its process id
	gone   int32  // the process id of the calling worker's predecessor

	began    int64 // ns since 1970: the first worker, or the last clean start
	tookOver int64 // ns, CLOCK_MONOTONIC: the worker began to serve
	diedAt   int64 // its predecessor was seen dead

	reason [192]byte // of the clean start; zeroes: it is the first

	entries uint32 // how many handovers there were
	holder  int32  // the keeper that has run the worker, until it is relieved; 0: none
	history [historySize]entry
}

// Version is that of the page. A program of another cannot take part.
const Version = 1

const (
	pageMagic   = 0x534c5550 // "SLUP"
	historySize = 32
)

// failures of an attempt.
const (
	failedSoon = iota // after it had adopted
	failedDied        // before
	failedLate
	failedToStart
)

// entry is a Handover as it lies in memory.
type entry struct {
	at          int64 // ns since 1970
	pause       int64
	connections uint32
	reset       uint32
	reason      uint32
	outcome     uint32
	why         [192]byte
	release     [48]byte
}

// Page is a piece of memory that workers, keepers and the supervisor share, and
// that outlives each of them.
type Page struct {
	fd int
	mu sync.Mutex // held over the history, of which other processes only read
	*words
}

// NewPage makes the page.
func NewPage() (*Page, error) {
	fd, err := unix.MemfdCreate("sluice-page", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, int64(unsafe.Sizeof(words{}))); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("memfd: %w", err)
	}
	p, err := mapPage(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p.magic, p.version = pageMagic, Version
	p.control = -1
	p.Clean("")
	return p, nil
}

// OpenPage maps the page that another process has made. The descriptor is the
// Page's from now on.
func OpenPage(fd int) (*Page, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	if st.Size < int64(unsafe.Sizeof(words{})) {
		return nil, fmt.Errorf("descriptor %d is no page: it has %d bytes", fd, st.Size)
	}
	p, err := mapPage(fd)
	if err != nil {
		return nil, err
	}
	if p.magic != pageMagic || p.version != Version {
		err := fmt.Errorf("a page of version %d (%#x), want %d", p.version, p.magic, Version)
		p.unmap()
		return nil, err
	}
	unix.CloseOnExec(fd)
	return p, nil
}

func mapPage(fd int) (*Page, error) {
	m, err := unix.Mmap(fd, 0, int(unsafe.Sizeof(words{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return &Page{fd: fd, words: (*words)(unsafe.Pointer(&m[0]))}, nil
}

func (p *Page) unmap() {
	unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(p.words)), unsafe.Sizeof(words{})))
}

// Close gives the page back; others who have it keep it.
func (p *Page) Close() {
	p.unmap()
	unix.Close(p.fd)
}

// FD is the page's descriptor.
func (p *Page) FD() int { return p.fd }

// Phase is what the worker is about.
func (p *Page) Phase() Phase { return Phase(atomic.LoadUint32(&p.phase)) }

// Leave says that the worker ends for good.
func (p *Page) Leave() { atomic.StoreUint32(&p.phase, uint32(Leaving)) }

// Worker is the worker's process id, 0 before there is one.
func (p *Page) Worker() int { return int(atomic.LoadInt32(&p.worker)) }

// Keeper is the keeper's process id, 0 before there is one.
func (p *Page) Keeper() int { return int(atomic.LoadInt32(&p.keeper)) }

// Holder is the process id of the keeper that has run the worker and is there yet,
// in case the worker dies before it has a keeper of its own; 0 if there is none.
func (p *Page) Holder() int { return int(atomic.LoadInt32(&p.holder)) }

// Reaped says that a process is gone, whose id may soon be another's.
func (p *Page) Reaped(pid int) { atomic.CompareAndSwapInt32(&p.holder, int32(pid), 0) }

// SetWorker notes who the worker is, before it has come so far as to say so.
func (p *Page) SetWorker(pid int) { atomic.StoreInt32(&p.worker, int32(pid)) }

// Began is when the first worker started.
func (p *Page) Began() time.Time { return time.Unix(0, atomic.LoadInt64(&p.began)) }

// First reports whether the calling worker has no predecessor.
func (p *Page) First() bool { return atomic.LoadUint32(&p.attempt) == 0 }

// Reason is why nothing was carried over to the first worker, "" if there was
// nothing.
func (p *Page) Reason() string { return text(p.reason[:]) }

// Book is the descriptor of the state that outlives a worker, -1 for none.
func (p *Page) Book() int { return int(atomic.LoadInt32(&p.book)) }

// Control is the descriptor that leads to the supervisor, -1 for none.
func (p *Page) Control() int { return int(atomic.LoadInt32(&p.control)) }

// SetControl notes it.
func (p *Page) SetControl(fd int) { atomic.StoreInt32(&p.control, int32(fd)) }

// Ready reports whether the worker serves.
func (p *Page) Ready() bool { return atomic.LoadUint32(&p.ready) != 0 }

// Serve says that the calling process serves from now on. It returns how long
// nobody had, 0 if it is the first.
func (p *Page) Serve() time.Duration {
	now := monotonic()
	atomic.StoreInt64(&p.tookOver, now)
	atomic.StoreUint32(&p.phase, uint32(Serving))
	atomic.StoreUint32(&p.ready, 1)
	if died := atomic.SwapInt64(&p.diedAt, 0); died != 0 {
		return time.Duration(now - died)
	}
	return 0
}

// SetStatus notes how a worker died.
func (p *Page) SetStatus(pid int, status syscall.WaitStatus) {
	atomic.StoreUint32(&p.status, uint32(status))
	atomic.StoreInt32(&p.whose, int32(pid))
}

// Predecessor is how the worker before the calling one died; false if nobody has
// said yet.
func (p *Page) Predecessor() (syscall.WaitStatus, bool) {
	return syscall.WaitStatus(atomic.LoadUint32(&p.status)), atomic.LoadInt32(&p.whose) == p.gone
}

// Clean makes the page as it was before the first worker, but for the history.
// why is why that is needed. Nobody else may use the page then.
func (p *Page) Clean(why string) {
	p.reason = [len(p.reason)]byte{}
	copy(p.reason[:len(p.reason)-1], why)
	p.phase, p.ready, p.worker, p.keeper, p.holder = uint32(Starting), 0, 0, 0, 0
	p.program, p.fallback, p.book, p.bell, p.leader = -1, -1, -1, -1, -1
	p.began = time.Now().UnixNano()
	p.attempt, p.adopted, p.deaths, p.rolledBack, p.failure, p.diedAt, p.upgrade = 0, 0, 0, 0, 0, 0, 0
}

// monotonic is CLOCK_MONOTONIC in ns, which all processes share.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
