package sys

import (
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockaddr is a socket address in the kernel's own form.
type Sockaddr struct {
	raw unix.RawSockaddrAny
	len uint32
}

// TCPAddr is the Sockaddr of an IP address and port. An unmapped IPv4 address
// makes an AF_INET one.
func TCPAddr(a netip.AddrPort) (s Sockaddr) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		p.Family, p.Port, p.Addr = unix.AF_INET, htons(a.Port()), ip.As4()
		s.len = unix.SizeofSockaddrInet4
	} else {
		p := (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.raw))
		p.Family, p.Port, p.Addr = unix.AF_INET6, htons(a.Port()), ip.As16()
		p.Scope_id = zone(ip.Zone())
		s.len = unix.SizeofSockaddrInet6
	}
	return s
}

// MaxUnixPath is the longest path of a unix socket, in bytes.
const MaxUnixPath = 107

// UnixAddr is the Sockaddr of a path, which must not be longer than
// MaxUnixPath.
func UnixAddr(path string) (s Sockaddr) {
	p := (*unix.RawSockaddrUnix)(unsafe.Pointer(&s.raw))
	p.Family = unix.AF_UNIX
	for i := 0; i < len(path) && i < MaxUnixPath; i++ {
		p.Path[i] = int8(path[i])
	}
	s.len = uint32(unsafe.Sizeof(p.Family)) + uint32(min(len(path), MaxUnixPath)) + 1
	return s
}

// Family is AF_INET, AF_INET6 or AF_UNIX.
func (s *Sockaddr) Family() int { return int(s.raw.Addr.Family) }

// AddrPort is the IP address and port; the zero value for a unix socket.
// IPv4 seen through an IPv6 socket is IPv4.
func (s *Sockaddr) AddrPort() netip.AddrPort {
	switch s.raw.Addr.Family {
	case unix.AF_INET:
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(p.Addr), htons(p.Port))
	case unix.AF_INET6:
		p := (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.raw))
		return netip.AddrPortFrom(netip.AddrFrom16(p.Addr).Unmap(), htons(p.Port))
	}
	return netip.AddrPort{}
}

func htons(p uint16) uint16 { return p<<8 | p>>8 }

// zone is an IPv6 zone as a number, written as a number or as an interface's
// name; 0 if there is no such interface.
func zone(z string) uint32 {
	if z == "" {
		return 0
	}
	n := 0
	for _, c := range z {
		if c < '0' || c > '9' {
			ifr, err := unix.NewIfreq(z)
			if err != nil {
				return 0
			}
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return 0
			}
			defer Close(fd)
			if unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr) != nil {
				return 0
			}
			return ifr.Uint32()
		}
		n = n*10 + int(c-'0')
	}
	return uint32(n)
}

// Socket opens a stream socket: non-blocking, close-on-exec.
func Socket(family int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int(r), e
}

// Connect begins a connect. EINPROGRESS: the outcome is in SocketError once
// the socket is writable. EINTR means the same.
func Connect(fd int, a *Sockaddr) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len))
	if e == unix.EINTR {
		return unix.EINPROGRESS
	}
	return e
}

// Disconnect makes a TCP socket one that was never connected, whatever it was
// connected to or about to be, with a RST to whoever is there (connect(2),
// AF_UNSPEC). It keeps its options, but for TCP_QUICKACK.
func Disconnect(fd int) syscall.Errno {
	a := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	return e
}

// Bind gives a socket its address.
func Bind(fd int, a *Sockaddr) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len))
	return e
}

// Listen makes a socket accept; on one that does already it changes the
// backlog.
func Listen(fd, backlog int) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog), 0)
	return e
}

// LocalAddr is the address a socket is bound to.
func LocalAddr(fd int) (a Sockaddr, e syscall.Errno) {
	a.len = unix.SizeofSockaddrAny
	_, _, e = unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.len)))
	return a, e
}

// Accept takes one connection and says who it is: non-blocking,
// close-on-exec (accept4(2)).
func Accept(fd int, a *Sockaddr) (int, syscall.Errno) {
	for {
		a.len = unix.SizeofSockaddrAny
		r, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.len)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e != unix.EINTR {
			return int(r), e
		}
	}
}

// SetMode sets the permissions of a descriptor. A unix socket's file gets those
// that it has when it is bound, less the umask.
func SetMode(fd int, mode uint32) error { return os.NewSyscallError("fchmod", unix.Fchmod(fd, mode)) }

// ShutdownWrite ends the stream that goes out of fd: FIN.
func ShutdownWrite(fd int) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return e
}

// ReuseAddress lets a listening socket have a port that closed connections
// still linger on.
func ReuseAddress(fd int) { setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// SharePort lets other sockets of this user that are willing too have an
// overlapping address (SO_REUSEPORT).
func SharePort(fd int, yes bool) { setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, number(yes)) }

// OnlyIPv6 keeps a socket on [::] from taking IPv4 as well.
func OnlyIPv6(fd int, yes bool) { setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, number(yes)) }

// NoDelay turns Nagle's algorithm off.
func NoDelay(fd int, yes bool) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, number(yes)) }

// DeferAccept has a listening socket hand a client over when it has sent something, or
// after so many seconds; 0: at once (TCP_DEFER_ACCEPT).
func DeferAccept(fd, seconds int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds) }

// FastOpen has a listening socket take data with the SYN, of so many clients whose
// handshake is not complete; 0: of none (TCP_FASTOPEN).
func FastOpen(fd, most int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, most) }

// Keepalive probes an idle connection after idle seconds, every interval
// seconds, and gives it up after count probes.
func Keepalive(fd, idle, interval, count int) {
	setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, idle)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, interval)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count)
}

// NoKeepalive lets an idle connection be.
func NoKeepalive(fd int) { setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0) }

// DelayAck lets the kernel hold back an acknowledgement, that of a handshake
// too, until there is something to send with it (TCP_QUICKACK of 0).
func DelayAck(fd int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) }

// UserTimeout gives a connection up whose bytes are not acknowledged for ms
// milliseconds (TCP_USER_TIMEOUT, RFC 5482).
func UserTimeout(fd, ms int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms) }

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func setInt(fd, level, option, value int) syscall.Errno {
	v := int32(value)
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), 4, 0)
	return e
}

// SocketError takes the error that is pending on a socket (SO_ERROR).
func SocketError(fd int) syscall.Errno {
	var v int32
	n := uint32(4)
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR, uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return e
	}
	return syscall.Errno(v)
}

// ResetOnClose makes the close of a TCP socket a RST, whatever is in flight
// (SO_LINGER of zero seconds).
func ResetOnClose(fd int) {
	l := unix.Linger{Onoff: 1}
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
}

// Unsent is how many bytes a TCP socket was given that the other side has not
// acknowledged yet (SIOCOUTQ), a FIN counted as one.
func Unsent(fd int) int { return ioctlInt(fd, unix.SIOCOUTQ) }

// Unread is how many bytes wait in a descriptor (FIONREAD).
func Unread(fd int) int { return ioctlInt(fd, unix.SIOCINQ) }

// AtMark reports whether the next byte of a TCP socket is its urgent one
// (SIOCATMARK).
func AtMark(fd int) bool { return ioctlInt(fd, unix.SIOCATMARK) == 1 }

func ioctlInt(fd int, request uintptr) int {
	var v int32
	if _, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&v))); e != 0 {
		return 0
	}
	return int(v)
}

// PeekUrgent looks at the urgent byte without taking it. EAGAIN: announced,
// not here yet. EINVAL: none, or taken already.
func PeekUrgent(fd int, b *[1]byte) syscall.Errno {
	_, e := recv(fd, b[:], unix.MSG_OOB|unix.MSG_PEEK)
	return e
}

// SendUrgent sends one urgent byte.
func SendUrgent(fd int, b *[1]byte) syscall.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(b)), 1, unix.MSG_OOB|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return e
}

// Receive reads one byte from a TCP socket; at an urgent mark it skips the
// urgent byte first.
func Receive(fd int, b *[1]byte) (int, syscall.Errno) { return recv(fd, b[:], unix.MSG_DONTWAIT) }

// Discard throws away up to n bytes that wait in a TCP socket, without
// copying them (MSG_TRUNC, tcp(7)).
func Discard(fd, n int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, uintptr(n), unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	return int(r), e
}

func recv(fd int, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// TCPInfo is what the kernel knows of a TCP connection.
type TCPInfo struct{ raw unix.TCPInfo }

// Read asks for it. It allocates nothing.
func (i *TCPInfo) Read(fd int) syscall.Errno {
	size := uint32(unsafe.Sizeof(i.raw))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&i.raw)), uintptr(unsafe.Pointer(&size)), 0)
	return e
}

// RTT is the smoothed round-trip time in µs.
func (i *TCPInfo) RTT() uint32 { return i.raw.Rtt }

// Retransmits is how many segments were sent more than once.
func (i *TCPInfo) Retransmits() uint32 { return i.raw.Total_retrans }
