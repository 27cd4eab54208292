package proxy

import (
	"time"

	"sluice/internal/sys"
)

// apply sets the options on a TCP socket. An accepted socket inherits them
// from the one that listens.
func (o *SocketOptions) apply(fd int) {
	sys.NoDelay(fd, o.NoDelay)
	if o.DeferAccept {
		sys.DeferAccept(fd, deferFor)
	}
	if o.FastOpen {
		sys.FastOpen(fd, fastOpenMost)
	}
	o.applyKeepalive(fd)
	o.applyUserTimeout(fd)
}

const (
	deferFor     = 5    // seconds after which a client is accepted that has sent nothing
	fastOpenMost = 1024 // clients whose data came with the SYN and whose handshake is not complete
)

func (o *SocketOptions) applyKeepalive(fd int) {
	if k := o.Keepalive; k.Idle > 0 {
		sys.Keepalive(fd, seconds(k.Idle), seconds(k.Interval), k.Count)
	}
}

func (o *SocketOptions) applyUserTimeout(fd int) {
	if o.UserTimeout > 0 {
		sys.UserTimeout(fd, int(o.UserTimeout/time.Millisecond))
	}
}

// reapply sets them all on a socket that may have others.
func (o *SocketOptions) reapply(fd int) {
	sys.NoKeepalive(fd)
	sys.UserTimeout(fd, 0)
	sys.DeferAccept(fd, 0)
	sys.FastOpen(fd, 0)
	o.apply(fd)
}

func seconds(d time.Duration) int { return max(1, int((d+time.Second/2)/time.Second)) }
