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

// Unmap gives a mapping back.
func Unmap(m []byte) { unix.Munmap(m) }

// Forget gives the pages of a mapping back and leaves it mapped; they read as
// zero again (madvise(2), MADV_DONTNEED).
func Forget(m []byte) { unix.Madvise(m, unix.MADV_DONTNEED) }

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
