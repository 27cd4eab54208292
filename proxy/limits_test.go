package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"sluice/internal/testnet"
)

func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 256 {
		t.Errorf("a conn takes %d bytes, more than 256", n)
	}
}

// A connect that fails goes to another backend; the client notices nothing.
func TestFailedConnectGoesToAnother(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	p := newPlane(t, func(_ *Listener, pool *Pool) { pool.Retries = 2 },
		testnet.Refusing(t), filepath.Join(t.TempDir(), "nobody"), greet.Address)
	for range 9 {
		c, hello := p.dial(), make([]byte, 5)
		if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "hello" {
			t.Fatalf("%q, %v", hello, err)
		}
		c.Close()
		if r := p.record(); r.Backend != greet.Address || r.Retries > 2 {
			t.Errorf("record %+v", r)
		}
	}
	if s := p.Stats(); s.Retries == 0 || s.ConnectFails != s.Retries {
		t.Errorf("stats %+v", s)
	}
}

func TestClientIsTurnedAwayAsConfigured(t *testing.T) {
	for _, row := range []struct {
		reject Reject
		want   error
	}{{RejectReset, syscall.ECONNRESET}, {RejectClose, io.EOF}} {
		reject := func(l *Listener, _ *Pool) { l.Reject = row.reject }
		p := newPlane(t, reject, testnet.Refusing(t))
		turnedAway := func() *Record {
			t.Helper()
			c, err := net.Dial("tcp", p.address.String()) // may see the reset already
			if err == nil {
				defer c.Close()
				_, err = c.Read(make([]byte, 1))
			}
			if !errors.Is(err, row.want) {
				t.Errorf("reject %d: %v, want %v", row.reject, err, row.want)
			}
			return p.record()
		}
		if r := turnedAway(); r.Cause != ConnectFailed || r.Errno != syscall.ECONNREFUSED || r.Retries != 0 || r.Backend == "" || r.Connect != -1 {
			t.Errorf("record %+v", r)
		}
		p.publish(reject) // a pool without backends
		if r := turnedAway(); r.Cause != NoBackend || r.Backend != "" {
			t.Errorf("record %+v", r)
		}
	}
}

func TestConnectTimesOutOnce(t *testing.T) {
	p := newPlane(t, func(_ *Listener, pool *Pool) { pool.ConnectTimeout = 100 * time.Millisecond }, testnet.Silent(t))
	c := p.dial()
	c.Read(make([]byte, 1))
	r := p.record()
	if r.Cause != ConnectTimedOut || r.Errno != syscall.ETIMEDOUT {
		t.Errorf("record %+v", r)
	}
	if r.Total < 100*time.Millisecond || r.Total > 5*time.Second {
		t.Errorf("took %v, want 100ms", r.Total)
	}
}

// Beyond a listener's limit clients wait in the kernel's queue and are served
// when one leaves; the limit is never exceeded.
func TestLimitMakesClientsWait(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	p := newPlane(t, func(l *Listener, _ *Pool) { l.MaxConnections = 3 }, greet.Address)
	served := make(chan *net.TCPConn, 10)
	for range 10 {
		c := p.dial()
		go func() {
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				t.Error(err)
			}
			served <- c
		}()
	}
	for range 10 {
		c := <-served
		if n := p.live.Load().listener(1).active.Load(); n > 3 {
			t.Fatalf("%d connections, limit 3", n)
		}
		c.Close()
		p.record()
	}
	testnet.Eventually(t, 30*time.Second, "no connection left", func() bool { return p.Stats().Active == 0 })
	if s := p.Stats(); s.Paused == 0 || p.paused.Load() != 0 {
		t.Errorf("paused %d times, %d now", s.Paused, p.paused.Load())
	}
}

// The timer that was armed for the connect fires late for a shorter idle
// timeout.
func TestIdleTimeoutMayBeShorterThanConnectTimeout(t *testing.T) {
	hole := testnet.Start(t, "tcp4", testnet.Blackhole)
	p := newPlane(t, func(l *Listener, pool *Pool) {
		l.IdleTimeout, pool.ConnectTimeout = 100*time.Millisecond, time.Minute
	}, hole.Address)
	c := p.dial()
	c.Read(make([]byte, 1))
	if r := p.record(); r.Cause != IdleTimedOut || r.Total > 10*time.Second {
		t.Errorf("record %+v", r)
	}
}

func TestIdleAndHalfClosedConnectionsEnd(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Discard)
	hole := testnet.Start(t, "tcp4", testnet.Blackhole)
	p := newPlane(t, func(l *Listener, _ *Pool) { l.IdleTimeout = 150 * time.Millisecond }, echo.Address)
	c := p.dial()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("idle client sees %v, want EOF", err)
	}
	if r := p.record(); r.Cause != IdleTimedOut || r.Total < 150*time.Millisecond {
		t.Errorf("record %+v", r)
	}
	p.publish(func(l *Listener, _ *Pool) { l.HalfCloseTimeout = 150 * time.Millisecond }, hole.Address)
	c = p.dial()
	c.CloseWrite()
	c.Read(make([]byte, 1))
	if r := p.record(); r.Cause != BackendSilent || r.Total < 150*time.Millisecond || r.Total > 5*time.Second {
		t.Errorf("record %+v", r)
	}
}

// A new table leaves live connections alone, frees the addresses it does not
// have, and lets numbers be used again when nobody needs them.
func TestPublishLeavesLiveConnectionsAlone(t *testing.T) {
	a := testnet.Start(t, "tcp4", testnet.Echo)
	b := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, a.Address)
	old := p.dial()
	echo := func(c *net.TCPConn) {
		t.Helper()
		c.Write([]byte("x"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	echo(old)
	was := p.address
	for range 20 {
		free := netip.MustParseAddrPort(testnet.FreeAddress(t, "tcp4"))
		p.publish(func(l *Listener, _ *Pool) { l.Bind = []Address{{TCP: free}} }, b.Address)
		p.address = free
		c := p.dial()
		echo(c)
		c.Close()
		if r := p.record(); r.Backend != b.Address {
			t.Errorf("record %+v", r)
		}
		echo(old)
		l, err := net.Listen("tcp", was.String())
		if err != nil {
			t.Fatalf("an address the table does not have: %v", err)
		}
		l.Close()
		was = free
	}
	if n := len(p.live.Load().backends); n > 6 {
		t.Errorf("%d numbers taken for two backends", n-1)
	}
	old.Close()
	if r := p.record(); r.Backend != a.Address || r.Cause != Completed {
		t.Errorf("record %+v", r)
	}
	if n := p.live.Load().backends; len(n) > 6 {
		t.Error("numbers are not used again")
	}
}

func TestShutdownResetsWhatIsLeft(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	c := p.dial()
	c.Write([]byte("x"))
	io.ReadFull(c, make([]byte, 1))
	done := make(chan int)
	go func() { done <- p.Shutdown(context.Background(), 50*time.Millisecond) }()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client sees %v, want a reset", err)
	}
	if n := <-done; n != 1 {
		t.Errorf("%d reset, want 1", n)
	}
	if r := p.record(); r.Cause != ShutDown {
		t.Errorf("record %+v", r)
	}
}

// Both a listener and a backend may be unix sockets.
func TestUnixSockets(t *testing.T) {
	echo := testnet.Start(t, "unix", testnet.Echo)
	path := filepath.Join(testnet.Dir(t), "in")
	_, backend := testnet.Split(echo.Address)
	p := newPlane(t, func(l *Listener, _ *Pool) { l.Bind = append(l.Bind, Address{Unix: path}) }, backend)
	c := testnet.Dial(t, "unix:"+path)
	if _, err := testnet.Exchange(c, testnet.Stream(1), 1<<20); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if r := p.record(); r.Cause != Completed || r.Up != 1<<20 || r.Down != 1<<20 || r.Client.IsValid() {
		t.Errorf("record %+v", r)
	}
}
