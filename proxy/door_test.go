package proxy

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// With defer_accept a client that says nothing is the kernel's, until a reload turns
// it off.
func TestDeferAccept(t *testing.T) {
	t.Run("TCP", func(t *testing.T) { deferAccept(t, false, (*plane).dial) })
	t.Run("MPTCP", func(t *testing.T) { deferAccept(t, true, (*plane).dialMPTCP) })
}

func deferAccept(t *testing.T, mptcp bool, dial func(*plane) *net.TCPConn) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	later := func(yes bool) func(*Listener, *Pool) {
		return func(l *Listener, _ *Pool) {
			l.Socket.DeferAccept, l.Socket.FastOpen, l.Reach.Multipath = yes, yes, mptcp
		}
	}
	p := newPlane(t, later(true), echo.Address)
	quiet := dial(p)
	c := dial(p)
	if _, err := testnet.Exchange(c, 1, 100); err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Accepted; n != 1 {
		t.Errorf("%d accepted, want the one that has said something", n)
	}
	if _, err := testnet.Exchange(quiet, 1, 100); err != nil {
		t.Errorf("when it speaks: %v", err)
	}
	p.publish(later(false), echo.Address)
	dial(p)
	testnet.Eventually(t, 30*time.Second, "it is accepted at once", func() bool { return p.Stats().Accepted == 3 })
}

// A socket that was passed has what the listener before set on it, and stays open
// while no listener asks for it.
func TestAPassedSocketForgetsTheOptionsOfBefore(t *testing.T) {
	passed, err := net.Listen("tcp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer passed.Close()
	file, err := passed.(*net.TCPListener).File()
	testnet.Must(t, "file", err)
	defer file.Close()
	at := Address{TCP: netip.MustParseAddrPort(passed.Addr().String()), Socket: "web", FD: int(file.Fd())}
	there := func(yes bool) func(*Listener, *Pool) {
		return func(l *Listener, _ *Pool) { l.Bind, l.Socket.DeferAccept, l.Socket.FastOpen = []Address{at}, yes, yes }
	}
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, there(true), echo.Address)
	p.publish(nil, echo.Address)
	p.publish(there(false), echo.Address)
	testnet.Dial(t, at.TCP.String())
	testnet.Eventually(t, 3*time.Second, "one that says nothing is accepted", func() bool { return p.Stats().Accepted == 1 })
}
