package proxy

import (
	"net/netip"

	"sluice/internal/sys"
)

// A socket that connects to a port of its own host which nobody listens on can
// be given that very port to connect from, and so be connected with itself
// (RFC 9293, simultaneous open). It would echo, and keep the backend from coming
// back to its port.
func (a *Address) mayBeOurs() bool {
	return a.Unix == "" && a.TCP.Addr().IsLoopback() && a.TCP.Port() >= firstEphemeral
}

// firstEphemeral is where the ports begin that the kernel gives to sockets that
// connect, unless it is configured otherwise (ip(7), ip_local_port_range).
const firstEphemeral = 32768

func isItself(fd int, to netip.AddrPort) bool {
	local, e := sys.LocalAddr(fd)
	return e == 0 && local.AddrPort() == to
}
