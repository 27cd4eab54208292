package sys

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the kernel knows of a descriptor, for who finds one without having
// opened it.

// The states of a TCP socket (include/net/tcp_states.h).
const (
	Established = 1
	SynSent     = 2
	SynReceived = 3
	FinWait1    = 4
	FinWait2    = 5
	TimeWait    = 6
	Closed      = 7
	CloseWait   = 8
	LastAck     = 9
	Listening   = 10
	Closing     = 11
)

// TCPFacts is what TCP_INFO says of a socket. Counts are bytes since the
// connection began. Received counts the other side's FIN as one; Acked counts the
// SYN of a socket that connected as one, and a FIN of ours.
type TCPFacts struct {
	State           uint8
	Received, Acked uint64
}

// TCP asks a TCP socket. EOPNOTSUPP, ENOTSOCK: it is not one.
func TCP(fd int) (TCPFacts, syscall.Errno) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return TCPFacts{}, errnoOf(err)
	}
	return TCPFacts{info.State, info.Bytes_received, info.Bytes_acked}, 0
}

func errnoOf(err error) syscall.Errno {
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return syscall.EINVAL
}

// PeerAddr is the address at the other side of a socket. ENOTCONN: there is none,
// or none any more.
func PeerAddr(fd int) (a Sockaddr, e syscall.Errno) {
	a.len = unix.SizeofSockaddrAny
	_, _, e = unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.len)))
	return a, e
}

// Path is that of a unix socket, "" for one without and for any other.
func (s *Sockaddr) Path() string {
	if s.raw.Addr.Family != unix.AF_UNIX {
		return ""
	}
	p := (*unix.RawSockaddrUnix)(unsafe.Pointer(&s.raw))
	n := 0
	for n < len(p.Path) && p.Path[n] != 0 && uint32(n)+uint32(unsafe.Sizeof(p.Family)) < s.len {
		n++
	}
	return unsafe.String((*byte)(unsafe.Pointer(&p.Path[0])), n)
}

// Cookie is a number that no other socket of this boot has or had (SO_COOKIE);
// 0 for what is no socket.
func Cookie(fd int) uint64 {
	n, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0
	}
	return n
}

// Accepts reports whether a descriptor is a socket that listens.
func Accepts(fd int) bool {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && n == 1
}

// Kind is what sort of thing a descriptor is.
type Kind uint8

// The kinds.
const (
	NotOpen Kind = iota
	Other
	SocketKind
	PipeKind
)

// KindOf asks what a descriptor is.
func KindOf(fd int) Kind {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return NotOpen
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return SocketKind
	case unix.S_IFIFO:
		return PipeKind
	}
	return Other
}

// CloseOnExec has a descriptor closed by the next exec.
func CloseOnExec(fd int) { fcntl(fd, unix.F_SETFD, unix.FD_CLOEXEC) }

// Inherited lists the descriptors above standard error that came over an exec:
// whatever this process opened is close-on-exec.
func Inherited() ([]int, error) {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var came []int
	for _, d := range open {
		fd, err := strconv.Atoi(d.Name())
		if err != nil || fd <= 2 {
			continue
		}
		if flags, e := fcntl(fd, unix.F_GETFD, 0); e == 0 && flags&unix.FD_CLOEXEC == 0 {
			came = append(came, fd)
		}
	}
	return came, nil
}

// HungUp returns those of fds at which both directions are closed (POLLHUP). It
// takes nothing from them and does not wait.
func HungUp(fds []int) (hung []int) {
	const batch = 1024
	for len(fds) > 0 {
		n := min(len(fds), batch)
		ask := make([]unix.PollFd, n)
		for i, fd := range fds[:n] {
			ask[i].Fd = int32(fd)
		}
		for {
			if _, err := unix.Poll(ask, 0); err != unix.EINTR {
				break
			}
		}
		for _, a := range ask {
			if a.Revents&unix.POLLHUP != 0 {
				hung = append(hung, int(a.Fd))
			}
		}
		fds = fds[n:]
	}
	return hung
}

// Failed reports whether an error of a socket waits to be told (POLLERR). It takes
// nothing from it.
func Failed(fd int) bool {
	ask := []unix.PollFd{{Fd: int32(fd)}}
	for {
		if _, err := unix.Poll(ask, 0); err != unix.EINTR {
			return ask[0].Revents&unix.POLLERR != 0
		}
	}
}

// PunchHole gives the pages of a part of a file back; they read as zero again.
func PunchHole(fd, at, n int) {
	unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(at), int64(n))
}
