package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// lateness is what a machine that has other things to do may add to a time.
const lateness = 3 * time.Second

// endsAfter waits for the end of a connection, and returns what it was.
func endsAfter(t *testing.T, c *net.TCPConn, since time.Time, due time.Duration) error {
	t.Helper()
	c.SetReadDeadline(since.Add(due + 2*lateness))
	_, err := io.Copy(io.Discard, c)
	if took := time.Since(since); took < due-20*time.Millisecond || took > due+time.Second+lateness {
		t.Errorf("the end came after %v, want %v to a second more: %v", took, due, err)
	}
	return err
}

// A connection ends when it has lasted for max_lifetime, whatever it does: one at rest
// cleanly, one in the middle of something with a reset, one that waits as well.
func TestMaxLifetime(t *testing.T) {
	const life = 1200 * time.Millisecond
	t.Run("at rest", func(t *testing.T) {
		t.Parallel()
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		p := newPlane(t, func(l *Listener, _ *Pool) { l.MaxLifetime, l.IdleTimeout = life, 0 }, echo.Address)
		begun := time.Now()
		c := p.dial()
		testnet.Exchange(c, 1, 100)
		if err := endsAfter(t, c, begun, life); err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
		if r := p.record(); r.Cause != LifetimeOver || r.Down != 100 {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		p := newPlane(t, func(l *Listener, _ *Pool) { l.MaxLifetime = life }, echo.Address)
		begun := time.Now()
		c := p.dial()
		wrote := make(chan error)
		go func() {
			for b := make([]byte, 1000); ; {
				if _, err := c.Write(b); err != nil {
					wrote <- err
					return
				}
			}
		}()
		read := endsAfter(t, c, begun, life)
		if err := errors.Join(read, <-wrote); !errors.Is(err, syscall.ECONNRESET) { // it is told once, to either
			t.Errorf("got %v, want a reset", err)
		}
		if r := p.record(); r.Cause != LifetimeOver {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		t.Parallel()
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		p := newPlane(t, oneAtATime(t, 1, func(l *Listener, _ *Pool) { l.MaxLifetime = life }), echo.Address)
		isServed(t, "the first", p.asks("127.0.0.2"))
		begun := time.Now()
		p.asks("127.0.0.3")
		for range 2 {
			if r := p.record(); r.Cause != LifetimeOver || r.Total < life || time.Since(begun) > life+time.Second+lateness {
				t.Errorf("record %+v", r)
			}
		}
	})
}

func TestSilenceEndsWithinASecond(t *testing.T) {
	const limit = 1700 * time.Millisecond
	t.Run("idle_timeout", func(t *testing.T) {
		t.Parallel()
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		p := newPlane(t, func(l *Listener, _ *Pool) { l.IdleTimeout = limit }, echo.Address)
		c := p.dial()
		begun := time.Now().Add(500 * time.Millisecond)
		time.AfterFunc(500*time.Millisecond, func() { c.Write([]byte("x")) }) // the time begins anew
		endsAfter(t, c, begun, limit)
		if r := p.record(); r.Cause != IdleTimedOut {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("half_close_timeout", func(t *testing.T) {
		t.Parallel()
		hole := testnet.Start(t, "tcp4", testnet.Blackhole)
		p := newPlane(t, func(l *Listener, _ *Pool) { l.HalfCloseTimeout = limit }, hole.Address)
		c := p.dial()
		c.Write([]byte("x"))
		begun := time.Now()
		c.CloseWrite()
		endsAfter(t, c, begun, limit)
		if r := p.record(); r.Cause != BackendSilent {
			t.Errorf("record %+v", r)
		}
	})
}
