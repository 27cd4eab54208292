package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Event is one entry of an epoll's report: what happened, and the datum that
// was registered with the descriptor.
type Event struct {
	Events uint32
	Low    uint32 // the datum's halves, as they were given to EpollAdd
	High   uint32
}

// The events, see epoll_ctl(2).
const (
	In        = unix.EPOLLIN
	Out       = unix.EPOLLOUT
	RdHup     = unix.EPOLLRDHUP
	Hup       = unix.EPOLLHUP
	Err       = unix.EPOLLERR
	Pri       = unix.EPOLLPRI
	Edge      = 1 << 31 // EPOLLET
	Exclusive = unix.EPOLLEXCLUSIVE
)

// EpollCreate opens an epoll, close-on-exec.
func EpollCreate() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) }

// EpollAdd registers fd with a datum of two halves.
func EpollAdd(ep, fd int, events, low, high uint32) syscall.Errno {
	return epollCtl(ep, unix.EPOLL_CTL_ADD, fd, events, low, high)
}

// EpollMod changes what fd is registered for; what is true already is
// reported anew.
func EpollMod(ep, fd int, events, low, high uint32) syscall.Errno {
	return epollCtl(ep, unix.EPOLL_CTL_MOD, fd, events, low, high)
}

// EpollDel forgets fd.
func EpollDel(ep, fd int) syscall.Errno {
	return epollCtl(ep, unix.EPOLL_CTL_DEL, fd, 0, 0, 0)
}

func epollCtl(ep, op, fd int, events, low, high uint32) syscall.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(low), Pad: int32(high)}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// Events is room for an epoll's report.
type Events struct{ raw [128]unix.EpollEvent }

// Room is how many events a report holds.
func (e *Events) Room() int { return len(e.raw) }

// At is the i-th event of the last wait.
func (e *Events) At(i int) Event {
	r := &e.raw[i]
	return Event{Events: r.Events, Low: uint32(r.Fd), High: uint32(r.Pad)}
}

// EpollSpin waits up to ms milliseconds without telling the Go scheduler,
// which keeps the caller's P: the wake-up is cheap, and everything that wants
// the P (garbage collection above all) has to wait. It returns 0 on EINTR,
// which is how the scheduler asks for the P: the caller must then pass a
// function's stack check.
func EpollSpin(ep int, ev *Events, ms int) int {
	r, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&ev.raw)), uintptr(len(ev.raw)), uintptr(ms), 0, 0)
	if e != 0 {
		return 0
	}
	return int(r)
}

// EpollWait waits up to ms milliseconds, -1 for ever, and lets the scheduler
// have the P meanwhile. It returns 0 on EINTR.
func EpollWait(ep int, ev *Events, ms int) int {
	r, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&ev.raw)), uintptr(len(ev.raw)), uintptr(ms), 0, 0)
	if e != 0 {
		return 0
	}
	return int(r)
}

// EventFD opens an eventfd(2): non-blocking, close-on-exec.
func EventFD() (int, error) { return unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) }

// Signal makes an eventfd readable.
func Signal(fd int) {
	one := [8]byte{1}
	Write(fd, one[:])
}

// Unsignal makes an eventfd unreadable again.
func Unsignal(fd int) {
	var n [8]byte
	Read(fd, n[:])
}
