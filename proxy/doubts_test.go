package proxy

import (
	"io"
	"net"
	"testing"
)

// A pipe of one slot takes one piece, and leaves the rest of a message that
// came in many where no event will tell of it.
func TestDoubtIsClearedUp(t *testing.T) {
	const size = 300
	got := make(chan int, 1)
	backend := listen(t, func(c *net.TCPConn) {
		n, _ := io.ReadFull(c, make([]byte, size))
		got <- n
		io.Copy(io.Discard, c)
	})
	p := newPlaneWith(t, Options{Workers: 1, PipeSize: 4096}, nil, backend)
	c := p.dial()
	c.SetNoDelay(true)
	for range size {
		c.Write([]byte{1})
	}
	if n := <-got; n != size {
		t.Errorf("%d bytes arrived, want %d", n, size)
	}
	w := p.workers[0]
	c.Close()
	p.record()
	p.Shutdown(t.Context(), 0)
	if n := len(w.doubts.list); n > 1 {
		t.Errorf("%d conns in doubt, there was one", n)
	}
}
