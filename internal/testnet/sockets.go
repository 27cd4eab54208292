package testnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// unacknowledged is how many bytes of c the other side's kernel has not
// acknowledged: SIOCOUTQ, tcp(7) and unix(7).
func unacknowledged(c Conn) int {
	var n int32
	control(c, func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n)
}

// Unread is how many bytes wait in c's receive buffer: SIOCINQ.
func Unread(c Conn) int {
	var n int32
	control(c, func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n)
}

// SendUrgent sends b as the urgent byte of c.
func SendUrgent(c Conn, b byte) error {
	return sysCall(c, func(fd int) error {
		return syscall.Sendto(fd, []byte{b}, syscall.MSG_OOB|syscall.MSG_NOSIGNAL, nil)
	})
}

// Urgent takes the urgent byte that c has received; an error if there is none.
func Urgent(c Conn) (byte, error) {
	var p [1]byte
	err := sysCall(c, func(fd int) error {
		_, _, err := syscall.Recvfrom(fd, p[:], syscall.MSG_OOB|syscall.MSG_DONTWAIT)
		return err
	})
	return p[0], err
}

// sysCall runs f on the descriptor of c and returns what it returns.
func sysCall(c Conn, f func(fd int) error) error {
	var err error
	if e := control(c, func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}

func control(c Conn, f func(fd uintptr)) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}

// Refusing is an IPv4 address that refuses connections for as long as the test
// runs: a socket is bound to it and does not listen.
func Refusing(tb testing.TB) string {
	tb.Helper()
	_, address := bound(tb)
	return address
}

// Silent is an IPv4 address that never answers a SYN for as long as the test
// runs: its queue of connections is full and nobody accepts.
func Silent(tb testing.TB) string {
	tb.Helper()
	fd, address := bound(tb)
	Must(tb, "listen", syscall.Listen(fd, 0))
	to := netip.MustParseAddrPort(address)
	// The kernel admits one connection more than the backlog, and on a full
	// queue it drops the SYN. A few more than that make sure.
	for range 4 {
		fd := socket(tb)
		err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		if err != nil && err != syscall.EINPROGRESS {
			Must(tb, "fill the queue of "+address, err)
		}
	}
	return address
}

func bound(tb testing.TB) (fd int, address string) {
	tb.Helper()
	fd = socket(tb)
	Must(tb, "bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := syscall.Getsockname(fd)
	Must(tb, "getsockname", err)
	port := name.(*syscall.SockaddrInet4).Port
	return fd, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)).String()
}

func socket(tb testing.TB) int {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	Must(tb, "socket", err)
	tb.Cleanup(func() { syscall.Close(fd) })
	return fd
}

// PastMarks reads c where urgent bytes may be about. At the mark of one, a read
// that a signal interrupts says EAGAIN although more is there, and Go, which
// signals its threads to take turns, then waits for an event that has been. So
// a read that comes to nothing for a while is made again.
func PastMarks(c net.Conn) io.Reader { return pastMarks{c} }

type pastMarks struct{ c net.Conn }

func (r pastMarks) Read(p []byte) (int, error) {
	for end := time.Now().Add(time.Minute); ; {
		r.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := r.c.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end) {
			continue
		}
		r.c.SetReadDeadline(end)
		return n, err
	}
}
