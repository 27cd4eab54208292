package sys

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sendfile sends at most n bytes of a file, from an offset on, to a socket, without
// copying them through user space and without waiting for the socket
// (sendfile(2)). 0 bytes and no error: there are no more. What is not in the page
// cache is read from the disk, which is waited for.
func Sendfile(to, from int, offset int64, n int) (int, syscall.Errno) {
	for {
		r, _, e := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(to), uintptr(from), uintptr(unsafe.Pointer(&offset)), uintptr(n), 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// OpenFile opens a regular file for reading; it does not wait for a FIFO's writer.
func OpenFile(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, fmt.Errorf("open %s: not a regular file", path)
	}
	// What is read ahead now is not waited for later.
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_WILLNEED)
	return fd, nil
}

// Dup is another descriptor of the same file, close-on-exec.
func Dup(fd int) (int, syscall.Errno) {
	n, e := fcntl(fd, unix.F_DUPFD_CLOEXEC, 0)
	return n, e
}
