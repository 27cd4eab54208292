package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Splice moves at most n bytes from one descriptor to another, one of which
// is a pipe, without copying them through user space and without blocking
// (splice(2)).
func Splice(from, to, n int) (int, syscall.Errno) {
	for {
		r, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if e != unix.EINTR {
			return int(r), e
		}
	}
}

// Pipe opens a pipe (pipe2(2)): non-blocking, close-on-exec.
func Pipe() (r, w int, e syscall.Errno) {
	var fds [2]int32
	_, _, e = unix.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&fds)), unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return int(fds[0]), int(fds[1]), e
}

// PipeSize is how many bytes a pipe holds when every slot is full
// (F_GETPIPE_SZ).
func PipeSize(fd int) (int, syscall.Errno) { return fcntl(fd, unix.F_GETPIPE_SZ, 0) }

// SetPipeSize asks for room for n bytes and returns what was granted
// (F_SETPIPE_SZ). EPERM: over the user's share, see pipe(7).
func SetPipeSize(fd, n int) (int, syscall.Errno) { return fcntl(fd, unix.F_SETPIPE_SZ, n) }

func fcntl(fd, cmd, arg int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
	return int(r), e
}

// Read reads what is there into p; 0 with no errno is the end.
func Read(fd int, p []byte) (int, syscall.Errno) {
	return rw(unix.SYS_READ, fd, p)
}

// Write writes what fits of p.
func Write(fd int, p []byte) (int, syscall.Errno) {
	return rw(unix.SYS_WRITE, fd, p)
}

func rw(call uintptr, fd int, p []byte) (int, syscall.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	for {
		r, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// Close closes a descriptor. EINTR is not retried: the descriptor is gone
// (close(2), "Dealing with error returns").
func Close(fd int) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}
