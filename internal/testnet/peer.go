package testnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Conn is what a TCP and a unix connection have in common.
type Conn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	CloseRead() error
}

// Behaviour is what a peer does with one connection. The connection is closed
// when it returns. ctx is done, and the connection closed, when the peer stops.
type Behaviour func(ctx context.Context, c Conn)

// Peer is a backend of a test: it accepts, and behaves.
type Peer struct {
	Address string // as in a configuration: "127.0.0.1:1234", "[::1]:1234" or "unix:/path"

	listener net.Listener
	does     Behaviour
	cancel   context.CancelFunc
	running  sync.WaitGroup
	accepted atomic.Int64

	mu    sync.Mutex
	conns map[Conn]struct{}
}

// Start starts a peer on "tcp4", "tcp6" or "unix". It is stopped when the test
// ends, unless Stop was called before.
func Start(tb testing.TB, network string, does Behaviour) *Peer {
	tb.Helper()
	var at string
	switch network {
	case "tcp4":
		at = "127.0.0.1:0"
	case "tcp6":
		at = "[::1]:0"
	case "unix":
		at = "unix:" + SocketPath(tb)
	default:
		tb.Fatalf("testnet: network %q", network)
	}
	return StartAt(tb, at, does)
}

// StartAt starts a peer at an address, which may have port 0.
func StartAt(tb testing.TB, address string, does Behaviour) *Peer {
	tb.Helper()
	p, err := Listen(address, does)
	Must(tb, "start a peer", err)
	tb.Cleanup(p.Stop)
	return p
}

// Listen is StartAt for a program that is not a test.
func Listen(address string, does Behaviour) (*Peer, error) {
	network, at := Split(address)
	l, err := net.Listen(network, at)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		at = "unix:" + at
	} else {
		at = l.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Peer{Address: at, listener: l, does: does, cancel: cancel, conns: map[Conn]struct{}{}}
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

// Accepted is how many connections the peer has accepted since it started.
func (p *Peer) Accepted() int64 { return p.accepted.Load() }

// Open is how many connections it has now.
func (p *Peer) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Stop closes the listener and every connection, and waits until nothing of
// the peer is left. It may be called again.
func (p *Peer) Stop() {
	p.cancel()
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Peer) accept(ctx context.Context) {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		conn := c.(Conn)
		p.mu.Lock()
		p.conns[conn] = struct{}{}
		p.mu.Unlock()
		if ctx.Err() != nil { // Stop may have looked before conn was there
			conn.Close()
		}
		p.running.Go(func() {
			p.does(ctx, conn)
			conn.Close()
			p.mu.Lock()
			delete(p.conns, conn)
			p.mu.Unlock()
		})
	}
}

// Split takes an address of a configuration apart, into what net.Dial wants.
func Split(address string) (network, at string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", ByTCP(address)
}

// ByMultipath is a TCP address which Dial and TryDial connect to by MPTCP, where the
// kernel has it.
func ByMultipath(address string) string { return byMultipath + address }

const byMultipath = "mptcp:"

// ByTCP is an address of ByMultipath, or any other, as one to connect to by TCP.
func ByTCP(address string) string { return strings.TrimPrefix(address, byMultipath) }

// Multipath reports whether a connection is one of MPTCP.
func Multipath(c Conn) bool {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	yes, err := t.MultipathTCP()
	return yes && err == nil
}

// Dial connects to an address of a configuration, or one of ByMultipath.
func Dial(tb testing.TB, address string) Conn {
	tb.Helper()
	c, err := TryDial(address, 10*time.Second)
	Must(tb, "dial "+address, err)
	tb.Cleanup(func() { c.Close() })
	return c
}

// TryDial is Dial for who expects that it may fail. The connection has a
// deadline of two minutes, so that a test that hangs says where.
func TryDial(address string, timeout time.Duration) (Conn, error) {
	network, at := Split(address)
	d := net.Dialer{Timeout: timeout}
	d.SetMultipathTCP(strings.HasPrefix(address, byMultipath))
	c, err := d.Dial(network, at)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	return c.(Conn), nil
}

// SocketPath is a path for a unix socket, short enough to be bound.
func SocketPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Dir(tb), "s")
}

// Dir is a directory with a short path that every user can enter, gone when
// the test ends. testing.TempDir is neither short nor open to other users.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sluice")
	Must(tb, "make a directory", err)
	Must(tb, "open it", os.Chmod(dir, 0o777))
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// FreeAddress is a TCP address of loopback, "tcp4" or "tcp6", at a port on which
// nobody listens at the moment, whatever the address.
func FreeAddress(tb testing.TB, network string) string {
	tb.Helper()
	l, err := net.Listen("tcp", ":0")
	Must(tb, "find a free port", err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	Must(tb, "find a free port", err)
	if network == "tcp6" {
		return net.JoinHostPort("::1", port)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// IsReset reports whether err is what a connection shows that its peer reset.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Reset closes c so that the other side sees a reset, after everything written
// has arrived there. A unix socket has no reset of its own; there it is an
// ordinary close.
func Reset(c Conn) error {
	defer c.Close()
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	if !Delivered(c, 30*time.Second) {
		return fmt.Errorf("%d bytes are still on their way", unacknowledged(c))
	}
	return t.SetLinger(0)
}

// Delivered waits until the other side's kernel has everything written to c,
// and reports whether that was within patience.
func Delivered(c Conn, patience time.Duration) bool {
	return Until(patience, func() bool { return unacknowledged(c) == 0 })
}
