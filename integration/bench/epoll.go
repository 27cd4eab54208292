package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// These are the load's own few lines around the kernel, so that what is
// measured and what measures have no code in common.

const (
	epollIn   = syscall.EPOLLIN
	epollOut  = syscall.EPOLLOUT
	epollHup  = syscall.EPOLLHUP | syscall.EPOLLERR
	epollEdge = 1 << 31

	sysEpollPwait2 = 441 // the same on every architecture since Linux 5.11

	bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT: the port is chosen by connect
	soReusePort       = 15
	msgTrunc          = 0x20
)

type poller struct {
	fd     int
	events [256]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

func (p *poller) add(fd int, events uint32) error { return p.ctl(syscall.EPOLL_CTL_ADD, fd, events) }
func (p *poller) mod(fd int, events uint32) error { return p.ctl(syscall.EPOLL_CTL_MOD, fd, events) }

func (p *poller) ctl(op, fd int, events uint32) error {
	return syscall.EpollCtl(p.fd, op, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait waits for events, to the nanosecond; a negative duration is none.
func (p *poller) wait(d time.Duration) []syscall.EpollEvent {
	t := syscall.NsecToTimespec(int64(max(d, 0)))
	n, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(unsafe.Pointer(&t)), 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// read reads once: n > 0, 0 for the end, or -1 with the reason.
func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func write(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

// discard takes up to n bytes out of a socket without looking at them: what
// arrives in bulk costs the load nothing but the call.
func discard(fd, n int) (int, syscall.Errno) {
	got, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), 0, uintptr(n), msgTrunc, 0, 0)
	return int(got), errno
}

func socket() (int, error) {
	return syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
}

func noDelay(fd int) { syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) }

// congestionOf is the congestion control that a connection has.
func congestionOf(c *net.TCPConn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var name [16]byte
	size := uint32(len(name))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_CONGESTION,
			uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	text, _, _ := strings.Cut(string(name[:]), "\x00")
	return text, err
}

func socketError(fd int) error {
	if n, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil {
		return err
	} else if n != 0 {
		return syscall.Errno(n)
	}
	return nil
}

// connect starts to connect from a local address, which may be nil.
func connect(from, to *syscall.SockaddrInet4) (int, error) {
	fd, err := socket()
	if err != nil {
		return -1, err
	}
	if from != nil {
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1)
		if err := syscall.Bind(fd, from); err != nil {
			syscall.Close(fd)
			return -1, fmt.Errorf("bind: %w", err)
		}
	}
	if err := syscall.Connect(fd, to); err != nil && err != syscall.EINPROGRESS {
		syscall.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// listen listens on an address that other loops listen on as well.
func listen(at *syscall.SockaddrInet4) (int, error) {
	fd, err := socket()
	if err != nil {
		return -1, err
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1)
	noDelay(fd) // what it accepts inherits this
	if err = syscall.Bind(fd, at); err == nil {
		err = syscall.Listen(fd, 16384)
	}
	if err != nil {
		syscall.Close(fd)
		return -1, fmt.Errorf("listen on port %d: %w", at.Port, err)
	}
	return fd, nil
}

func sockaddr(address string) (*syscall.SockaddrInet4, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return &syscall.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
}
