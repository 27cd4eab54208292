package integration

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// The kernel gives a user without privileges 64 pipes of 1 MiB. Then they are
// small, cannot grow, and sooner or later there are none.
func TestUnprivilegedWithHundredsOfStuckConnections(t *testing.T) {
	testnet.NeedRoot(t)
	const stuck, each = 300, 8_000_000
	var finished atomic.Int64
	peer := testnet.Start(t, "tcp4", func(ctx context.Context, c testnet.Conn) {
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		wish := make([]byte, 1)
		io.ReadFull(c, wish)
		switch string(wish) {
		case "e":
			testnet.Echo(ctx, c)
		case "s":
			c.(*net.TCPConn).SetWriteBuffer(64 << 10)
			testnet.Stream(1).Send(c, each)
			finished.Add(1)
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}
	})
	// The buffer of a unix socket is small: what is stuck is in the pipes, and
	// does not fill the kernel's memory for TCP.
	bind := []string{"unix:" + testnet.SocketPath(t)}
	p := Sluice(t, Setup{Bind: bind, Backends: []string{peer.Address}}.TOML(), AsNobody)
	before := p.Usage()
	conns := make([]testnet.Conn, stuck)
	for i := range conns {
		conns[i] = testnet.Dial(t, p.Front("web"))
		io.WriteString(conns[i], "s")
	}
	testnet.Eventually(t, patience, "every stuck client has bytes waiting", func() bool {
		for _, c := range conns {
			if testnet.Unread(c) == 0 {
				return false
			}
		}
		return true
	})
	if quiet := quietCPU(p, time.Second); quiet > 0.2 {
		t.Errorf("with every client stuck sluice uses %.0f%% of a CPU", 100*quiet)
	}
	t.Logf("stuck: %v", p.Usage())
	if n := finished.Load(); n > 0 {
		t.Fatalf("%d connections are not stuck", n)
	}
	for range 20 {
		c := testnet.Dial(t, p.Front("web"))
		io.WriteString(c, "e")
		if d, err := testnet.Exchange(c, 2, 1_000_000); err != nil || d > 20*time.Second {
			t.Fatalf("another client got %v after %v", err, d)
		}
		c.Close()
	}
	errs := make(chan error, stuck)
	for _, c := range conns {
		go func() { errs <- testnet.Stream(1).Receive(c, each) }()
	}
	for range conns {
		if err := <-errs; err != nil {
			t.Errorf("a stuck client that reads at last: %v", err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	for _, r := range p.All(func(l Line) bool { return Connections(l) && l.Cause != "completed" }) {
		t.Errorf("got record %s", r.Raw)
	}
	testnet.Eventually(t, patience, "every socket is closed", func() bool { return p.Sockets() == before.Sockets })
}
