package health

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"sluice/config"
	"sluice/internal/sys"
)

// newTCP asks whether a connect succeeds, and sends nothing, or no more than a
// PROXY header. Bare connects over TCP are not made here but by a connector.
func newTCP(h config.Health) probe {
	if h.SendProxy {
		return talking(h, func(t *talk) error {
			t.part()
			return nil
		})
	}
	return probeUnix
}

// askAgain is how long a connect to a full queue waits for the next try.
const askAgain = 10 * time.Millisecond

// probeUnix connects to a unix socket. If its queue is full the kernel says so
// at once, and has no event for the first free place.
func probeUnix(ctx context.Context, a config.Address, timeout time.Duration) error {
	to := sys.UnixAddr(a.Unix)
	fd, errno := sys.Socket(to.Family())
	if errno != 0 {
		return unasked{fmt.Errorf("socket: %w", errno)}
	}
	defer sys.Close(fd)
	if errno := sys.Connect(fd, &to); errno != syscall.EAGAIN {
		return connectError(a, errno)
	}
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
			if errno := sys.Connect(fd, &to); errno != syscall.EAGAIN {
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
