package proxy

import (
	"testing"
	"time"

	"sluice/internal/testnet"
)

// With defer_accept a client that says nothing is the kernel's, until a reload turns
// it off.
func TestDeferAccept(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	later := func(yes bool) func(*Listener, *Pool) {
		return func(l *Listener, _ *Pool) { l.Socket.DeferAccept, l.Socket.FastOpen = yes, yes }
	}
	p := newPlane(t, later(true), echo.Address)
	quiet := p.dial()
	c := p.dial()
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
	p.dial()
	testnet.Eventually(t, 30*time.Second, "it is accepted at once", func() bool { return p.Stats().Accepted == 3 })
}
