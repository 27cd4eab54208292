package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peek looks at what waits in a socket and leaves it there (MSG_PEEK). 0 is the end
// of the stream.
func Peek(fd int, b []byte) (int, syscall.Errno) {
	return recv(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
}

// Send writes to a socket. With more TCP keeps a segment that is not full for the
// next write, for 200 ms at most (MSG_MORE, tcp(7)).
func Send(fd int, b []byte, more bool) (int, syscall.Errno) {
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	for {
		r, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// LowWater has a TCP socket count as readable only when n bytes wait in it, or its
// end, or when it can take no more (SO_RCVLOWAT). If so many wait already, there is an
// event. The kernel makes n at most half of the socket's receive buffer.
func LowWater(fd, n int) { setInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) }
