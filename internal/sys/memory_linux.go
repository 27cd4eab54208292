package sys

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Map reserves n bytes of zeroed memory outside the Go heap. Pages cost
// nothing until they are touched.
func Map(n int) ([]byte, error) {
	m, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("mmap %d bytes: %w", n, err)
	}
	return m, nil
}

// MemFile opens a file of n bytes that is in memory only and has no path
// (memfd_create(2)): close-on-exec. Pages cost nothing until they are touched.
func MemFile(name string, n int) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err := Resize(fd, n); err != nil {
		Close(fd)
		return -1, err
	}
	return fd, nil
}

// Resize makes a file n bytes long.
func Resize(fd, n int) error {
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return fmt.Errorf("ftruncate to %d bytes: %w", n, err)
	}
	return nil
}

// FileSize is how long a file is, in bytes.
func FileSize(fd int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	return int(st.Size), nil
}

// MapFile maps n bytes of a file, from a multiple of the page size on, so that
// what is written outlives the process as long as the file does.
func MapFile(fd, from, n int, writable bool) ([]byte, error) {
	protection := unix.PROT_READ
	if writable {
		protection |= unix.PROT_WRITE
	}
	m, err := unix.Mmap(fd, int64(from), n, protection, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("mmap %d bytes: %w", n, err)
	}
	return m, nil
}

// WriteAt writes all of p into a file.
func WriteAt(fd int, p []byte, at int) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, int64(at))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("pwrite: %w", err)
		}
		p, at = p[n:], at+n
	}
	return nil
}

// Unmap gives a mapping back.
func Unmap(m []byte) { unix.Munmap(m) }

// Forget gives the pages of private memory, or of a mapped file, back and
// leaves it mapped; they read as zero again (madvise(2), MADV_REMOVE and
// MADV_DONTNEED).
func Forget(m []byte) {
	if unix.Madvise(m, unix.MADV_REMOVE) != nil {
		unix.Madvise(m, unix.MADV_DONTNEED)
	}
}

// DescriptorLimit is how many descriptors this process may have open.
func DescriptorLimit() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return int(min(l.Cur, 1<<30)), nil
}

// MayExceedLimits reports whether the process has CAP_SYS_RESOURCE, which lifts
// the limits on what pipes may pin.
func MayExceedLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// Monotonic reads the clock that Go's monotonic times go by, which all processes
// of the machine have in common: ns (clock_gettime(2), CLOCK_MONOTONIC).
func Monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
