package keeper

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Env is the variable that gives the next process the page's descriptor.
const Env = "SLUICE_HANDOVER"

// Name is what a keeper is called in the list of processes.
const Name = "sluice-keeper"

// Options say what a keeper runs when the process that made it dies.
type Options struct {
	Page       *Page
	Book       int           // descriptor of the state that outlives the process; -1: none
	Supervisor int           // process id of who reaps the keeper and what it runs; 0: nobody
	Args       []string      // of the program, its name first
	Env        []string      // Env itself is added
	Patience   time.Duration // how long a process may take to adopt what there is; 0: late
}

// Start clones a keeper of the calling process and everything that it has open,
// now and later. The program it would run is this process's own, see Replace.
//
// When the process was itself run by a keeper, that one is told that everything
// is adopted, and Start returns when it has ended: only then do the descriptors
// belong to this process alone.
func Start(o Options) error {
	p := o.Page
	before := p.Keeper()
	if err := p.prepare(o); err != nil {
		return err
	}
	b, err := newBlock(o)
	if err != nil {
		return err
	}
	atomic.StoreInt32(&p.holder, int32(before)) // the clone puts itself in its place
	if errno := clone(b); errno != 0 {
		return fmt.Errorf("clone a keeper: %w", errno)
	}
	cloned()
	if before == 0 {
		return nil
	}
	atomic.StoreUint32(&p.adopted, p.attempt)
	defer p.Reaped(before)
	return p.relieve(before)
}

// cloned is called when there are two keepers. It is a test's to set.
var cloned = func() {}

// prepare opens what keepers go by, if this is the first worker. Later ones
// inherit it, under the same numbers: a number that stood on the page and was
// this process's alone would lead the keeper astray that has run it.
func (p *Page) prepare(o Options) error {
	if p.program < 0 {
		program, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open this program: %w", err)
		}
		p.program = int32(program)
	}
	if p.bell < 0 {
		bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return fmt.Errorf("eventfd: %w", err)
		}
		p.bell = int32(bell)
	}
	if p.leader < 0 && o.Supervisor != 0 {
		leader, err := unix.PidfdOpen(o.Supervisor, 0)
		if err != nil {
			return fmt.Errorf("pidfd_open of the supervisor: %w", err)
		}
		p.leader = int32(leader)
	}
	for _, fd := range p.Keeps() {
		unix.CloseOnExec(fd)
	}
	atomic.StoreInt32(&p.worker, int32(os.Getpid()))
	atomic.StoreInt32(&p.supervisor, int32(o.Supervisor))
	if p.Phase() == Upgrading {
		atomic.StoreUint32(&p.phase, uint32(Serving))
	}
	return nil
}

// relieve lets the keeper that has run this process go, and waits for its end.
func (p *Page) relieve(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open of the keeper: %w", err)
	}
	defer unix.Close(fd)
	ring := [8]byte{1}
	unix.Write(int(p.bell), ring[:])
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for until := time.Now().Add(late); ; {
		n, err := unix.Poll(poll, int(max(0, time.Until(until).Milliseconds())))
		if err == unix.EINTR {
			continue
		}
		unix.Read(int(p.bell), ring[:])
		if n == 0 {
			return fmt.Errorf("the keeper %d does not end", pid)
		}
		return nil
	}
}

// Keeps is the descriptors that the page names: nobody else may close them.
func (p *Page) Keeps() (list []int) {
	for _, fd := range []int32{int32(p.fd), p.program, p.fallback, p.book, p.control, p.bell, p.leader} {
		if fd >= 0 {
			list = append(list, int(fd))
		}
	}
	return list
}

// Replace has the keeper run another program when this process ends, which it
// must do next; the one that runs now is the fallback until Keep. number is that
// of the upgrade.
func (p *Page) Replace(program, number int) {
	atomic.StoreUint32(&p.upgrade, uint32(number))
	p.fallback = p.program
	p.program = int32(program)
	atomic.StoreInt64(&p.diedAt, monotonic())
	atomic.StoreUint32(&p.phase, uint32(Upgrading))
}

// Upgrade is the number of the upgrade that is under way, 0 for none.
func (p *Page) Upgrade() int { return int(atomic.LoadUint32(&p.upgrade)) }

// Keep says that the upgrade is over: there is no way back to another program.
func (p *Page) Keep() {
	atomic.StoreUint32(&p.upgrade, 0)
	atomic.StoreUint32(&p.rolledBack, 0)
	if old := atomic.SwapInt32(&p.fallback, -1); old >= 0 {
		unix.Close(int(old))
	}
}

// RolledBack reports whether the fallback was taken, and why, until Keep.
func (p *Page) RolledBack() (why string, is bool) {
	if atomic.LoadUint32(&p.rolledBack) == 0 {
		return "", false
	}
	switch atomic.LoadUint32(&p.failure) {
	case failedDied:
		return "it ended before it had taken over", true
	case failedLate:
		return "it had not taken over when its time was over", true
	case failedToStart:
		return "it could not be started", true
	}
	return "it ended soon after it had taken over", true
}

// newBlock writes down all that the keeper needs.
func newBlock(o Options) (*block, error) {
	p := o.Page
	env := make([]string, 0, len(o.Env)+1)
	for _, v := range o.Env {
		if !strings.HasPrefix(v, Env+"=") {
			env = append(env, v)
		}
	}
	env = append(env, fmt.Sprintf("%s=%d", Env, p.fd))
	n := int(unsafe.Sizeof(block{})) + listSize(o.Args) + listSize(env)
	m, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	b := (*block)(unsafe.Pointer(&m[0]))
	rest := m[unsafe.Sizeof(block{}):]
	b.argv, rest = writeList(rest, o.Args)
	b.envp, _ = writeList(rest, env)

	worker, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open: %w", err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("getrlimit: %w", err)
	}
	b.page, b.worker, b.leader, b.bell = p.words, int32(worker), p.leader, p.bell
	b.attempt, b.book = p.attempt, int32(o.Book)
	b.limit = int32(min(limit.Cur, 1<<20))
	patience := cmp.Or(o.Patience, late)
	b.patience, b.trial = unix.NsecToTimespec(int64(patience)), unix.NsecToTimespec(int64(patience/2))
	copy(b.name[:], Name)
	copy(b.fds[:], "/proc/self/fd")
	b.spare(uintptr(unsafe.Pointer(&m[0])))
	return b, nil
}

// listSize is what writeList needs for a list.
func listSize(list []string) int {
	n := 8 * (len(list) + 2)
	for _, s := range list {
		n += len(s) + 1
	}
	return n
}

// writeList writes strings as execve wants them, and returns where that is and
// what is left of the room.
func writeList(room []byte, list []string) (uintptr, []byte) {
	if odd := uintptr(unsafe.Pointer(&room[0])) % 8; odd != 0 {
		room = room[8-odd:]
	}
	pointers := unsafe.Slice((*uintptr)(unsafe.Pointer(&room[0])), len(list)+1)
	text := room[8*len(pointers):]
	for i, s := range list {
		pointers[i] = uintptr(unsafe.Pointer(&text[0]))
		copy(text, s)
		text = text[len(s)+1:]
	}
	return uintptr(unsafe.Pointer(&room[0])), text
}

// spare lists the memory that the keeper can do without: what is the worker's
// alone and not a file's, but for the block and what lies beside the program
// (its variables).
func (b *block) spare(at uintptr) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	afterFile := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		var rights, offset, device, name string
		var inode uint64
		n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %d %s", &from, &to, &rights, &offset, &device, &inode, &name)
		wasFile := afterFile
		afterFile = inode != 0
		if n < 6 || n > 6 && !strings.HasPrefix(name, "[anon") || inode != 0 || rights != "rw-p" || wasFile || at >= from && at < to {
			continue
		}
		if b.drops < maxDrops {
			b.drop[b.drops] = span{from, to}
			b.drops++
		}
	}
}
