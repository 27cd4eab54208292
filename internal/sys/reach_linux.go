package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Transparent lets a socket have an address that is not this machine's, to bind to or to
// be connected to at (IP_TRANSPARENT, ip(7)). EPERM: it takes CAP_NET_ADMIN or
// CAP_NET_RAW.
func Transparent(fd, family int) syscall.Errno {
	if family == unix.AF_INET6 {
		return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return setInt(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1)
}

// FreeBind lets a socket be bound to an address that is not there yet
// (IP_FREEBIND).
func FreeBind(fd, family int) syscall.Errno {
	if family == unix.AF_INET6 {
		return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
	}
	return setInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
}

// BindWithoutPort leaves the choice of the port to connect, so that two
// connections to different places may share one (IP_BIND_ADDRESS_NO_PORT).
func BindWithoutPort(fd int) { setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) }

// Mark marks what a socket sends (SO_MARK, socket(7)). EPERM as for Transparent.
func Mark(fd int, mark uint32) syscall.Errno {
	return setInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
}

// BindToDevice has a socket use one interface alone (SO_BINDTODEVICE). ENODEV:
// there is none of that name.
func BindToDevice(fd int, name string) syscall.Errno {
	b := append([]byte(name), 0)
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	return e
}
