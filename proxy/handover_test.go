package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// Streams go on through many handovers, in both directions at once, and not a byte
// is lost, doubled or out of order.
func TestStreamsOutliveTheServer(t *testing.T) {
	const size, streams = 24 << 20, 6
	outlives := func(relay Relay, change func(*Listener, *Pool), dial func(*plane) *net.TCPConn) {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			echo := testnet.Start(t, "tcp4", testnet.Echo)
			p := newPlane(t, change, echo.Address)
			var running sync.WaitGroup
			for i := range streams {
				c := dial(p)
				s := testnet.Stream(i)
				running.Go(func() {
					if err := s.Send(c, size); err != nil {
						t.Errorf("stream %d: %v", i, err)
					}
					c.CloseWrite()
				})
				running.Go(func() {
					if err := s.Receive(c, size); err != nil {
						t.Errorf("stream %d: %v", i, err)
					}
				})
			}
			ended := make(chan struct{})
			go func() { running.Wait(); close(ended) }()
			handovers := 0
			for done := false; !done; {
				carried := p.handOver(change, []string{echo.Address})
				handovers++
				if carried.Reset != 0 || len(carried.Why) != 0 {
					t.Fatalf("handover %d: %+v", handovers, carried)
				}
				select {
				case <-ended:
					done = true
				case <-time.After(20 * time.Millisecond):
				}
			}
			for range streams {
				if r := p.record(); r.Cause != Completed || r.Up != size || r.Down != size {
					t.Errorf("record %+v", r)
				}
			}
			if s := p.Stats(); s.Accepted != streams || s.Closed[Completed] != streams || s.BytesUp != streams*size {
				t.Errorf("after %d handovers: %+v", handovers, s)
			}
			if handovers < 3 {
				t.Errorf("only %d handovers", handovers)
			}
		})
	}
	for _, relay := range relays {
		outlives(relay, as(relay), (*plane).dial)
		outlives(relay, byMPTCP(relay), (*plane).dialMPTCP)
	}
}

// A reader that has stopped leaves full pipes and buffers; what is in them comes
// over.
func TestWhatIsInPipesComesOver(t *testing.T) {
	const size = 16 << 20
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			source := testnet.Start(t, "tcp4", testnet.Source(7, size))
			p := newPlane(t, as(relay), source.Address)
			c := p.dial()
			testnet.Eventually(t, 30*time.Second, "the pipe is full", func() bool {
				for _, w := range p.workers {
					if c := w.slab.at(1); c.generation != 0 && c.down.Pending() > 0 && c.down.Next() == 0 {
						return true
					}
				}
				return false
			})
			for range 3 {
				if carried := p.handOver(as(relay), []string{source.Address}); carried.Connections != 1 || len(carried.Why) != 0 {
					t.Fatalf("%+v", carried)
				}
			}
			if err := testnet.Stream(7).Receive(c, size); err != nil {
				t.Error(err)
			}
			c.Close()
			if r := p.record(); r.Down != size || r.Cause != Completed {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// Half-closed, connecting, refused, unix: what was going on goes on.
func TestEveryPhaseComesOver(t *testing.T) {
	const size = 1 << 20
	answer := testnet.Start(t, "tcp4", func(_ context.Context, c testnet.Conn) {
		n, _ := io.Copy(io.Discard, c)
		testnet.Stream(3).Send(c, n)
	})
	p := newPlane(t, nil, answer.Address)
	half := p.dial()
	if _, err := half.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	p.handOver(nil, []string{answer.Address})
	half.CloseWrite()
	p.handOver(nil, []string{answer.Address})
	if err := testnet.Stream(3).Receive(half, size); err != nil {
		t.Error(err)
	}
	half.Close()
	if r := p.record(); r.Cause != Completed || r.Up != size || r.Down != size {
		t.Errorf("record of the half-closed one %+v", r)
	}
}

func TestConnectingComesOver(t *testing.T) {
	full := listenFull(t)
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, func(_ *Listener, pool *Pool) { pool.ConnectTimeout = 300 * time.Millisecond }, full)
	c := p.dial()
	c.Write([]byte("early"))
	testnet.Eventually(t, 30*time.Second, "it connects", func() bool { return p.Stats().Active == 1 })
	both := []string{full, echo.Address}
	carried := p.handOver(func(_ *Listener, pool *Pool) { pool.ConnectTimeout = 300 * time.Millisecond }, both)
	if carried.Connections != 1 {
		t.Fatalf("%+v", carried)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "early" {
		t.Errorf("%q, %v", b, err)
	}
	c.Close()
	if r := p.record(); r.Cause != Completed || r.Retries != 1 || r.Backend != echo.Address {
		t.Errorf("record %+v", r)
	}
}

// listenFull is the address of a listener whose queue is full: a connect to it
// gets no answer.
func listenFull(t *testing.T) string {
	t.Helper()
	fd, e := sys.Socket(2)
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() { sys.Close(fd) })
	a := sys.TCPAddr(netip.MustParseAddrPort("127.0.0.1:0"))
	sys.Bind(fd, &a)
	sys.Listen(fd, 0)
	at, _ := sys.LocalAddr(fd)
	for range 2 { // the queue takes one more than it says
		c, err := net.DialTimeout("tcp", at.AddrPort().String(), 200*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return at.AddrPort().String()
}

// A reset that had not been carried over yet is.
func TestBreakingComesOver(t *testing.T) {
	const size = 8 << 20
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			reset := testnet.Start(t, "tcp4", testnet.ResetAfter(5, size))
			p := newPlane(t, as(relay), reset.Address)
			c := p.dial()
			c.Write([]byte("go"))
			got := 0
			b := make([]byte, 64<<10)
			v := &testnet.Verifier{Stream: 5}
			var err error
			for n := 0; err == nil; {
				n, err = c.Read(b)
				got += n
				if _, e := v.Write(b[:n]); e != nil {
					t.Fatal(e)
				}
				if got > size/4 && err == nil && n > 0 && got < size {
					if x := p.handOver(as(relay), []string{reset.Address}); x.Reset != 0 {
						t.Fatalf("%+v", x)
					}
					got += size // once
				}
			}
			if !testnet.IsReset(err) || v.N != size {
				t.Errorf("%v after %d bytes, want a reset after %d", err, v.N, size)
			}
			if r := p.record(); r.Cause != BackendReset || r.Down != size {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// Over unix sockets on both sides too; and the door's path stays the same socket.
func TestUnixSocketsComeOver(t *testing.T) {
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			echo := testnet.Start(t, "unix", testnet.Echo)
			path := testnet.SocketPath(t)
			change := func(l *Listener, _ *Pool) {
				l.Relay = relay
				l.Bind = append(l.Bind, Address{Unix: path})
			}
			to := echo.Address[len("unix:"):]
			p := newPlane(t, change, to)
			c := testnet.Dial(t, "unix:"+path)
			inode := inodeOf(path)
			for range 3 {
				if _, err := testnet.Exchange(c, 9, 1<<20); err != nil {
					t.Fatal(err)
				}
				if carried := p.handOver(change, []string{to}); carried.Connections != 1 || carried.Reset != 0 {
					t.Fatalf("%+v", carried)
				}
			}
			if inodeOf(path) != inode {
				t.Error("the socket at the path is another one")
			}
			if _, err := testnet.Exchange(testnet.Dial(t, "unix:"+path), 9, 100); err != nil {
				t.Error(err)
			}
		})
	}
}
