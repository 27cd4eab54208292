package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"sluice/config"
	"sluice/internal/sys"
)

func newTCP(config.Health) probe { return probeTCP }

// probeTCP asks whether a connect succeeds, and sends nothing.
//
// It takes care that the backend's program does not notice. With quick ACKs
// off the kernel holds the ACK of the handshake back for some 200 ms, waiting
// for data to send it with; the close comes before that, and since it lingers
// for zero seconds it is a RST. The backend's kernel then drops a handshake
// that was never finished: nothing is accepted, nothing is logged, no error is
// counted against the prober (MySQL blocks a host for those), and neither side
// keeps a TIME_WAIT, which 10,000 backends every 2 s would pile up to 300,000.
// Only where the ACK had gone out first does the program see a connection, and
// its reset.
func probeTCP(ctx context.Context, a config.Address, timeout time.Duration) error {
	to := sys.UnixAddr(a.Unix)
	if a.Unix == "" {
		to = sys.TCPAddr(a.TCP)
	}
	fd, errno := sys.Socket(to.Family())
	if errno != 0 {
		return unasked{fmt.Errorf("socket: %w", errno)}
	}
	if a.Unix == "" {
		sys.DelayAck(fd)
		sys.ResetOnClose(fd)
	}
	errno = sys.Connect(fd, &to)
	if errno == syscall.EINPROGRESS {
		// A backend on this machine has answered by now, and asking again is
		// cheaper than waiting for the netpoller.
		errno = sys.Connect(fd, &to)
	}
	if errno != syscall.EALREADY {
		defer sys.Close(fd)
		if errno == syscall.EAGAIN && a.Unix != "" {
			return insist(ctx, fd, &to, a, timeout)
		}
		return connectError(a, errno)
	}
	f := os.NewFile(uintptr(fd), "probe") // f owns fd from here on
	defer f.Close()
	return await(ctx, f, &to, a, timeout)
}

// await waits until a connect that is under way has come to something.
func await(ctx context.Context, f *os.File, to *sys.Sockaddr, a config.Address, timeout time.Duration) error {
	if err := f.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return unasked{err}
	}
	defer context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) })()
	raw, err := f.SyscallConn()
	if err != nil {
		return unasked{err}
	}
	var errno syscall.Errno
	err = raw.Write(func(fd uintptr) (done bool) {
		errno = sys.Connect(int(fd), to)
		return errno != syscall.EALREADY
	})
	switch {
	case err == nil:
		return connectError(a, errno)
	case ctx.Err() != nil:
		return unasked{ctx.Err()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("connect %v: no answer within %v", a, timeout)
	}
	return unasked{err}
}

// askAgain is how long a connect to a full queue waits for the next try.
const askAgain = 10 * time.Millisecond

// insist connects to a unix socket whose queue is full. The kernel says so at
// once and has no event for the first free place.
func insist(ctx context.Context, fd int, to *sys.Sockaddr, a config.Address, timeout time.Duration) error {
	late := time.NewTimer(timeout)
	defer late.Stop()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return unasked{ctx.Err()}
		case <-late.C:
			return fmt.Errorf("connect %v: queue full for %v", a, timeout)
		case <-again.C:
			if errno := sys.Connect(fd, to); errno != syscall.EAGAIN {
				return connectError(a, errno)
			}
		}
	}
}

// connectError is nil if a connect succeeded. What this machine lacks is not
// held against the backend.
func connectError(a config.Address, errno syscall.Errno) error {
	switch errno {
	case 0, syscall.EISCONN:
		return nil
	case syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM:
		return unasked{fmt.Errorf("connect %v: %w", a, errno)}
	case syscall.EINVAL: // what the kernel says of a link-local address without its interface
		if zone := a.TCP.Addr().Zone(); zone != "" {
			return fmt.Errorf("connect %v: no interface %s", a, zone)
		}
	}
	return fmt.Errorf("connect %v: %w", a, errno)
}
