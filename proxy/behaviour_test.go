package proxy

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// What the client sent before it finished arrives, and the answer after it:
// half-close is exact in both directions.
func TestHalfCloseEitherWay(t *testing.T) {
	const size = 8 << 20
	answerAfterEnd := listen(t, func(c *net.TCPConn) {
		n, _ := io.Copy(io.Discard, c)
		c.Write(make([]byte, n))
	})
	p := newPlane(t, nil, answerAfterEnd)
	c := p.dial()
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	if n, err := io.Copy(io.Discard, c); n != size || err != nil {
		t.Errorf("got %d bytes after our end, %v; want %d", n, err, size)
	}

	endFirst := listen(t, func(c *net.TCPConn) {
		c.CloseWrite()
		if n, _ := io.Copy(io.Discard, c); n != size {
			t.Errorf("backend got %d bytes after its end, want %d", n, size)
		}
	})
	p = newPlane(t, nil, endFirst)
	c = p.dial()
	if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
		t.Fatalf("got %d, %v, want the backend's end", n, err)
	}
	c.Write(make([]byte, size))
	c.Close()
	if r := p.record(); r.Up != size || r.Cause != Completed {
		t.Errorf("record %+v", r)
	}
}

func TestResetIsCarriedOverAfterTheBytesBeforeIt(t *testing.T) {
	const size = 1 << 20
	for _, relay := range []Relay{Splice, Copy} {
		backend := listen(t, func(c *net.TCPConn) {
			c.Write(make([]byte, size))
			var b [1]byte
			c.Read(b[:]) // the client has got everything
			c.SetLinger(0)
		})
		p := newPlane(t, func(l *Listener, _ *Pool) { l.Relay = relay }, backend)
		c := p.dial()
		if n, err := io.ReadFull(c, make([]byte, size)); err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		c.Write([]byte{1})
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("client sees %v, want a reset", err)
		}
		if r := p.record(); r.Cause != BackendReset || r.Down != size || r.Up != 1 {
			t.Errorf("record %+v", r)
		}

		seen := make(chan error, 1)
		backend = listen(t, func(c *net.TCPConn) {
			if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
				seen <- err
				return
			}
			_, err := c.Read(make([]byte, 1))
			seen <- err
		})
		p = newPlane(t, func(l *Listener, _ *Pool) { l.Relay = relay }, backend)
		c = p.dial()
		c.Write(make([]byte, size))
		for unsent(c) > 0 {
			runtime.Gosched()
		}
		c.SetLinger(0)
		c.Close()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("backend sees %v, want a reset after %d bytes", err, size)
		}
		if r := p.record(); r.Cause != ClientReset || r.Up != size {
			t.Errorf("record %+v", r)
		}
	}
}

// A backend that answers and closes with the request unread resets; the answer
// is what the client came for.
func TestAnswerBeforeResetArrives(t *testing.T) {
	const size = 128 << 10
	done := make(chan struct{})
	backend := listen(t, func(c *net.TCPConn) {
		for testnet.Unread(c) == 0 {
			runtime.Gosched()
		}
		c.Write(make([]byte, size))
		for unsent(c) > 0 {
			runtime.Gosched()
		}
		c.Close()
		close(done)
	})
	p := newPlane(t, nil, backend)
	c := p.dial()
	c.Write([]byte("a request nobody reads"))
	<-done
	n, err := io.Copy(io.Discard, c)
	if n != size || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %d bytes and %v, want %d and a reset", n, err, size)
	}
	if r := p.record(); r.Cause != BackendReset || r.Down != size {
		t.Errorf("record %+v", r)
	}
}

func unsent(c *net.TCPConn) (n int) {
	raw, _ := c.SyscallConn()
	raw.Control(func(fd uintptr) { n = sys.Unsent(int(fd)) })
	return n
}
