package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// block is all that a keeper needs, in memory that it shares with nobody and
// that holds no Go pointer: when the keeper uses it the Go runtime is no more.
type block struct {
	page     *words
	book     int32  // the worker's
	worker   int32  // pidfds
	leader   int32  // of the supervisor; -1: there is none
	bell     int32  // eventfd that a process rings when it has adopted
	child    int32  // pidfd, written by clone
	attempt  uint32 // of the worker
	limit    int32  // descriptors that a process may have
	drops    int32  // how many of drop there are
	argv     uintptr
	envp     uintptr
	unmask   uint64 // the empty set of signals
	poll     [2]unix.PollFd
	wait     unix.Timespec
	patience unix.Timespec
	trial    unix.Timespec // half of that
	name     [16]byte
	empty    [8]byte
	fds      [16]byte // a path
	list     [16 << 10]byte
	drop     [maxDrops]span
}

// span is a piece of memory.
type span struct{ from, to uintptr }

const (
	maxDrops  = 256
	stackRoom = 64 << 10 // bytes of the stack, to either side, that the keeper may use
)

// beforeFork and afterFork are what os/exec brackets a clone with: signals are
// blocked, in the child for good.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

// clone makes the keeper. In the child it never returns. The kernel notes the id on the page, before anybody can kill
// the caller: a keeper that the page does not name would be taken for none.
//
// What runs in the child must not grow a stack, allocate, be preempted or call
// anything that might. So it is one function without a call but to assembly:
// its stack is checked before the clone, where that can still be remedied, and
// signals, preemption's among them, stay blocked. Loads and stores of the page
// are plain, since the race detector's atomics need the runtime; between any
// two that matter is a system call.
//
//go:noinline
//go:norace
//go:nocheckptr
func clone(b *block) syscall.Errno {
	var (
		p           *words
		e           syscall.Errno
		pid, r      uintptr
		fd, at      uintptr
		low, high   uintptr
		now         int64
		entry       *dirent
		digit       byte
		why         uint32
		short, done bool
		events      *[2]unix.PollFd
	)
	p = b.page
	events = &b.poll

	beforeFork()
	pid, _, e = syscall.RawSyscall6(syscall.SYS_CLONE,
		syscall.CLONE_FILES|syscall.CLONE_PARENT|syscall.CLONE_PARENT_SETTID|uintptr(syscall.SIGCHLD),
		0, uintptr(unsafe.Pointer(&p.keeper)), 0, 0, 0)
	if e != 0 || pid != 0 {
		afterFork()
		return e
	}

	// The keeper. First it lets go of the worker's memory, which the two would
	// otherwise come to hold twice as the worker writes to it.
	syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_NAME, uintptr(unsafe.Pointer(&b.name)), 0, 0, 0, 0)
	// What it keeps of it is the stack it runs on.
	at = uintptr(unsafe.Pointer(&now)) &^ 0xfff
	for r = 0; r < uintptr(b.drops); r++ {
		low, high = b.drop[r].from, b.drop[r].to
		if low < at+stackRoom && at-stackRoom < high {
			if low < at-stackRoom {
				syscall.RawSyscall(syscall.SYS_MADVISE, low, at-stackRoom-low, unix.MADV_DONTNEED)
			}
			low = at + stackRoom
		}
		if low < high {
			syscall.RawSyscall(syscall.SYS_MADVISE, low, high-low, unix.MADV_DONTNEED)
		}
	}

	// It sleeps while the worker lives, but wakes once to see that it serves what
	// it has taken over.
	at = 0
	if b.attempt > 0 {
		b.wait = b.patience
		at = uintptr(unsafe.Pointer(&b.wait))
	}
	for {
		events[0] = unix.PollFd{Fd: b.worker, Events: unix.POLLIN}
		r, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(events)), 1, at, 0, 0, 0)
		if r == 1 {
			break
		}
		if r == 0 && p.ready == 0 {
			syscall.RawSyscall6(unix.SYS_PIDFD_SEND_SIGNAL, uintptr(b.worker), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
		}
		at = 0
	}
	syscall.RawSyscall6(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&b.wait)), 0, 0, 0, 0)
	now = b.wait.Sec*1e9 + b.wait.Nsec
	if p.diedAt == 0 {
		p.diedAt = now
	}
	switch {
	case p.adopted != b.attempt: // the worker's predecessor has a keeper yet, whose matter this is
		done = true
	case p.phase == uint32(Leaving) || p.phase == uint32(Starting):
		done = true
	case p.phase == uint32(Upgrading):
		p.deaths = 0
	default:
		short = p.ready == 0 || now-p.tookOver < int64(Short)
		if short {
			p.deaths++
		} else {
			p.deaths = 0
		}
		if p.fallback >= 0 { // a new program dies before it has lasted
			p.program, p.fallback, p.rolledBack = p.fallback, -1, 1
			p.deaths, p.failure = 0, failedSoon
		}
	}

	if !done {
		p.book, p.gone = b.book, p.worker
	}
	for {
		// Without a supervisor nobody could stop what would come.
		if b.leader >= 0 {
			events[0] = unix.PollFd{Fd: b.leader, Events: unix.POLLIN}
			b.wait = unix.Timespec{}
			r, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(events)), 1, uintptr(unsafe.Pointer(&b.wait)), 0, 0, 0)
			done = done || r == 1
		}
		if !done && p.deaths >= Loop {
			p.phase = uint32(Looping)
			done = true
		}
		if done {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		p.ready = 0
		p.attempt++
		// A process that died as soon as it had cloned a keeper has left that one's
		// id, which is gone as well: it was the process's and nobody else's.
		pid, _, _ = syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0)
		p.keeper = int32(pid)
		b.child = -1
		pid, _, e = syscall.RawSyscall6(syscall.SYS_CLONE, syscall.CLONE_PARENT|unix.CLONE_PIDFD|uintptr(syscall.SIGCHLD),
			0, uintptr(unsafe.Pointer(&b.child)), 0, 0, 0)
		if e == 0 && pid == 0 {
			break
		}
		if e != 0 {
			p.failure = failedToStart
		} else {
			// It stays the holder until the new process has adopted everything.
			p.worker = int32(pid)
			b.wait = b.patience
			if p.fallback >= 0 { // a program that is known to do waits
				b.wait = b.trial
			}
			events[0] = unix.PollFd{Fd: b.child, Events: unix.POLLIN}
			events[1] = unix.PollFd{Fd: b.bell, Events: unix.POLLIN}
			syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(events)), 2, uintptr(unsafe.Pointer(&b.wait)), 0, 0, 0)
			why = failedDied
			if p.adopted != p.attempt && events[0].Revents == 0 {
				why = failedLate
				syscall.RawSyscall6(unix.SYS_PIDFD_SEND_SIGNAL, uintptr(b.child), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
				events[0] = unix.PollFd{Fd: b.child, Events: unix.POLLIN}
				syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(events)), 1, 0, 0, 0, 0)
			}
			if p.adopted == p.attempt { // the process is alive, or its own keeper sees to it
				syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
			}
			p.failure = why
			syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(b.child), 0, 0)
		}
		p.deaths++
		if p.fallback >= 0 {
			p.program, p.fallback, p.rolledBack = p.fallback, -1, 1
			p.deaths = 0
		}
	}

	// The copy of the keeper that becomes the next process.
	fd, _, e = syscall.RawSyscall6(syscall.SYS_OPENAT, unix.AT_FDCWD&(1<<64-1), uintptr(unsafe.Pointer(&b.fds)), syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0, 0, 0)
	if e != 0 { // no /proc
		for r = 0; r < uintptr(b.limit); r++ {
			syscall.RawSyscall(syscall.SYS_FCNTL, r, syscall.F_SETFD, 0)
		}
	}
	for e == 0 {
		r, _, e = syscall.RawSyscall(syscall.SYS_GETDENTS64, fd, uintptr(unsafe.Pointer(&b.list)), unsafe.Sizeof(b.list))
		if e != 0 || r == 0 {
			break
		}
		pid = r // bytes in the list
		for at = 0; at < pid; at += uintptr(entry.size) {
			entry = (*dirent)(unsafe.Pointer(uintptr(unsafe.Pointer(&b.list)) + at))
			r = 0
			for now = 0; now < 10; now++ {
				digit = entry.name[now]
				if digit < '0' || digit > '9' {
					break
				}
				r = r*10 + uintptr(digit-'0')
			}
			if now > 0 && r != fd {
				syscall.RawSyscall(syscall.SYS_FCNTL, r, syscall.F_SETFD, 0)
			}
		}
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&b.unmask)), 0, 8, 0, 0)
	syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(p.program), uintptr(unsafe.Pointer(&b.empty)), b.argv, b.envp, unix.AT_EMPTY_PATH, 0)
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// dirent is an entry of a folder (getdents(2)).
type dirent struct {
	inode uint64
	next  int64
	size  uint16
	kind  uint8
	name  [10]byte
}
