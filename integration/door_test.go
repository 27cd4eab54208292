package integration

import (
	"io"
	"net"
	"sync"
	"testing"

	"sluice/internal/testnet"
)

// Door is a way to an address that a test can shut and open again. Its own
// address stays.
type Door struct {
	address string

	to       string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	isShut bool
	conns  map[net.Conn]struct{}
}

func startDoor(tb testing.TB, to string) *Door {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testnet.Must(tb, "listen", err)
	d := &Door{address: l.Addr().String(), to: to, listener: l, conns: make(map[net.Conn]struct{})}
	d.running.Go(d.accept)
	tb.Cleanup(func() {
		l.Close()
		d.shut()
		d.running.Wait()
	})
	return d
}

// shut cuts every connection; new ones are cut at once.
func (d *Door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = true
	for c := range d.conns {
		c.Close()
	}
	clear(d.conns)
}

func (d *Door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = false
}

func (d *Door) accept() {
	for {
		in, err := d.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", d.to)
		if err != nil {
			in.Close()
			continue
		}
		if !d.keep(in, out) {
			continue
		}
		d.running.Go(func() { pass(in, out) })
		d.running.Go(func() { pass(out, in) })
	}
}

// pass copies until either ends. Between two bare sockets io.Copy would splice,
// by pipes that the runtime keeps for later.
func pass(from, to net.Conn) {
	io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
	from.Close()
	to.Close()
}

// keep notes connections, or closes them.
func (d *Door) keep(all ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range all {
		if d.isShut {
			c.Close()
			continue
		}
		d.conns[c] = struct{}{}
	}
	return !d.isShut
}
