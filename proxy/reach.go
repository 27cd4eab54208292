package proxy

import (
	"fmt"
	"net/netip"
	"syscall"

	"sluice/internal/sys"
)

// Reach is by what ways clients reach a listening socket. It is set before the
// socket is bound, so that one with another Reach is another socket.
type Reach struct {
	Transparent bool   // for addresses that are not this machine's
	FreeBind    bool   // for an address that may come later
	Mark        uint32 // of what is sent; accepted sockets inherit it
	Interface   string // the only one; "": any
	Multipath   bool   // by MPTCP as well, if the kernel has it
}

// set does it on a TCP socket that is not bound yet.
func (r *Reach) set(fd, family int) error {
	for _, one := range []struct {
		what   string
		wanted bool
		do     func() syscall.Errno
	}{
		{"transparent", r.Transparent, func() syscall.Errno { return sys.Transparent(fd, family) }},
		{"freebind", r.FreeBind, func() syscall.Errno { return sys.FreeBind(fd, family) }},
		{"mark", r.Mark != 0, func() syscall.Errno { return sys.Mark(fd, r.Mark) }},
		{"interface " + r.Interface, r.Interface != "", func() syscall.Errno { return sys.BindToDevice(fd, r.Interface) }},
	} {
		if !one.wanted {
			continue
		}
		if e := one.do(); e != 0 {
			return fmt.Errorf("%s: %w", one.what, e)
		}
	}
	return nil
}

// From is the address from which backends are connected to; the zero value leaves it to
// the kernel.
type From struct {
	Client  bool       // the client's own (see source), which is not this machine's
	Address netip.Addr // else this one
}

// allowed reports what stands in the way of connecting so, before a client finds
// it out.
func (f *From) allowed() error {
	if !f.Client {
		return nil
	}
	fd, e := sys.Socket(syscall.AF_INET)
	if e != 0 {
		return e
	}
	defer sys.Close(fd)
	if e := sys.Transparent(fd, syscall.AF_INET); e != 0 {
		return fmt.Errorf("source client takes CAP_NET_ADMIN: %w", e)
	}
	return nil
}

// bindFrom gives the socket to a backend the address it is to connect from. A
// unix client has none, and is connected as if nothing had been said. A client of
// the other family cannot be the source: EAFNOSUPPORT.
func (w *worker) bindFrom(slot uint32, c *conn, fd, family int, f *From) syscall.Errno {
	from := f.Address
	if f.Client {
		if from = w.source(slot, c).Addr(); !from.IsValid() {
			return 0
		}
		if e := sys.Transparent(fd, family); e != 0 {
			return e
		}
	}
	address := sys.TCPAddr(netip.AddrPortFrom(from, 0))
	if address.Family() != family {
		return syscall.EAFNOSUPPORT
	}
	sys.BindWithoutPort(fd)
	return sys.Bind(fd, &address)
}
