package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Outgoing is a write to a socket of which the kernel itself notes, in the
// Outgoing, how far it came (sendmmsg(2)): inside the system call, so that the
// count is right wherever the process is killed. It is plain data; its pointers
// mean something only while Send runs.
type Outgoing struct {
	message struct { // struct mmsghdr
		header struct { // struct msghdr
			_     uintptr // name
			_     uint32
			parts uintptr
			count uintptr
			_     uintptr // control
			_     uintptr
			_     int32 // flags
		}
		sent uint32
	}
	part struct{ base, size uintptr } // struct iovec
}

// Begin says that nothing was sent yet.
func (o *Outgoing) Begin() { o.message.sent = 0 }

// Sent is how many bytes Send has sent since Begin.
func (o *Outgoing) Sent() int { return int(o.message.sent) }

// Send writes what fits of p, which must not be empty, and whose memory the
// garbage collector must not reclaim meanwhile. Begin comes before it.
func (o *Outgoing) Send(fd int, p []byte) (int, syscall.Errno) {
	o.part.base, o.part.size = uintptr(unsafe.Pointer(&p[0])), uintptr(len(p))
	o.message.header.parts, o.message.header.count = uintptr(unsafe.Pointer(&o.part)), 1
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&o.message)), 1, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return o.Sent(), e
		}
	}
}

// Meter has the kernel count what is read from a socket from now on, up to n bytes.
// It does so by the offset at which MSG_PEEK would look (SO_PEEK_OFF, socket(7)),
// which every other read takes back by as much as it has read. Nobody may peek at a
// socket that is metered. EOPNOTSUPP: a TCP socket before Linux 6.9.
func Meter(fd, n int) syscall.Errno { return setInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, n) }

// Unmeter ends that, and lets MSG_PEEK look at the first byte again.
func Unmeter(fd int) { setInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, -1) }

// Metered is how many bytes were read since Meter was told n. ENODATA: the socket is
// not metered. ERANGE: it was told something else.
func Metered(fd, n int) (int, error) {
	left, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF)
	switch {
	case err != nil:
		return 0, err
	case left == -1:
		return 0, unix.ENODATA
	case left < 0 || left > n:
		return 0, unix.ERANGE
	}
	return n - left, nil
}
