package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MPTCP (RFC 8684) is one stream over several TCP connections, its subflows. A
// socket of it is no TCP socket: TCP_INFO tells of the first subflow alone, and
// there are no urgent bytes, no SO_PEEK_OFF and no TCP_USER_TIMEOUT.

// MultipathSocket is Socket for MPTCP. One that listens takes clients of TCP as
// well, and what is accepted from it is a TCP socket then. EPROTONOSUPPORT, EINVAL:
// the kernel has no MPTCP. ENOPROTOOPT: net.mptcp.enabled is 0. EPERM, EACCES: a
// policy forbids it.
func MultipathSocket(family int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	return int(r), e
}

// Multipath reports whether a socket speaks MPTCP (SO_PROTOCOL).
func Multipath(fd int) bool {
	var v int32
	n := uint32(4)
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL, uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	return e == 0 && v == unix.IPPROTO_MPTCP
}

// MultipathFacts are the counts of an MPTCP socket, in bytes since the connection
// began: what came and can be read, or was, and what was written, a FIN of ours
// counted as one.
type MultipathFacts struct{ Received, Written uint64 }

// MultipathCounts asks an MPTCP socket (MPTCP_INFO). EOPNOTSUPP, ENOTTY: it is none,
// it has become TCP on the way, or the kernel does not count (before Linux 6.5).
func MultipathCounts(fd int) (MultipathFacts, syscall.Errno) {
	var info struct { // struct mptcp_info (linux/mptcp.h), as far as it is needed
		_                           [16]byte
		writeSeq, unacknowledged, _ uint64
		_                           [24]byte
		received, acknowledged      uint64
	}
	size := uint32(unsafe.Sizeof(info))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_MPTCP, mptcpInfo, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if e == 0 && uintptr(size) < unsafe.Sizeof(info) {
		e = unix.EOPNOTSUPP
	}
	return MultipathFacts{info.received, info.acknowledged + info.writeSeq - info.unacknowledged}, e
}

const mptcpInfo = 1 // MPTCP_INFO

// Gather has MSG_PEEK see all that has come to an MPTCP socket. Before Linux 6.15 it does
// not see what came after another look, unless something asks how much there is.
func Gather(fd int) { Unread(fd) }

// Waiting is how many bytes can be read from a socket now. Unlike Unread it does not
// count MPTCP's FIN. 0 and no error: the end; EAGAIN: nothing. An error of the
// socket is taken from it.
func Waiting(fd int) (int, syscall.Errno) {
	Gather(fd)
	r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 1<<30, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), 0
}
