package proxy

import (
	"context"
	"errors"
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
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			echo := testnet.Start(t, "tcp4", testnet.Echo)
			p := newPlane(t, as(relay), echo.Address)
			var running sync.WaitGroup
			for i := range streams {
				c := p.dial()
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
				carried := p.handOver(as(relay), []string{echo.Address})
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

// A listener and a backend that the new table does not have keep their connections.
func TestWhoIsGoneKeepsHisConnections(t *testing.T) {
	echo, other := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Name("other"))
	p := newPlane(t, nil, echo.Address)
	c := p.dial()
	if _, err := testnet.Exchange(c, 1, 1000); err != nil {
		t.Fatal(err)
	}
	renamed := func(l *Listener, _ *Pool) {
		l.Name, l.Bind = "new", []Address{{TCP: netip.MustParseAddrPort("127.0.0.1:0")}}
	}
	if carried := p.handOver(renamed, []string{other.Address}); carried.Connections != 1 {
		t.Fatalf("%+v", carried)
	}
	testnet.Eventually(t, 30*time.Second, "the old address is closed", func() bool {
		c, err := net.Dial("tcp", p.address.String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for range 2 {
		if _, err := testnet.Exchange(c, 1, 1000); err != nil {
			t.Fatal(err)
		}
		p.handOver(renamed, []string{other.Address})
	}
	c.Close()
	r := p.record()
	for r.Listener == "web" && r.Up == 0 { // of those who looked whether the door is closed
		r = p.record()
	}
	if r.Listener != "web" || r.Backend != echo.Address || r.Cause != Completed {
		t.Errorf("record %+v", r)
	}
	p.address = p.Bound("new")[0].TCP
	if b, err := io.ReadAll(p.dial()); err != nil || string(b) != "other" {
		t.Errorf("%q, %v at the new listener", b, err)
	}
}

// Who waits in the queue of a door, or was accepted and not yet noted, is served.
func TestWhoWaitsIsServedByTheNext(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	old := p.Server
	old.Pause()
	waiting, accepted := p.dial(), p.dial()
	door := old.live.Load().doors[1].fd
	var who sys.Sockaddr
	first, e := sys.Accept(door, &who)
	if e != 0 {
		t.Fatal(e)
	}
	stray, e := sys.Socket(2)
	if e != 0 {
		t.Fatal(e)
	}
	carried := p.succeed(old, nil, []string{echo.Address}, first, stray)
	if carried.Accepted != 1 || carried.Connections != 1 {
		t.Errorf("%+v", carried)
	}
	if sys.KindOf(stray) != sys.NotOpen {
		t.Error("a socket of nobody is still open")
	}
	for _, c := range []*net.TCPConn{waiting, accepted} {
		if _, err := testnet.Exchange(c, 1, 1000); err != nil {
			t.Error(err)
		}
	}
	waiting.Close()
	accepted.Close()
	for range 2 {
		if r := p.record(); !r.Client.IsValid() || r.Cause != Completed {
			t.Errorf("record %+v", r)
		}
	}
	if n := p.Stats().Accepted; n != 2 {
		t.Errorf("%d counted as accepted", n)
	}
}

// Blobs are what was saved last, over any number of handovers.
func TestBlobsComeOver(t *testing.T) {
	p := newPlane(t, nil)
	for i := range 5 {
		big := make([]byte, i*100_000)
		testnet.Stream(i).Fill(big, 0)
		if err := errors.Join(p.SaveBlob("health", fmt.Append(nil, "row ", i)), p.SaveBlob("big", big)); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			p.handOver(nil, nil)
		}
	}
	p.handOver(nil, nil)
	past, err := OpenPast(p.BookFD())
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if got := string(past.Blob("health")); got != "row 4" {
		t.Errorf("health is %q", got)
	}
	if got := past.Blob("big"); len(got) != 400_000 {
		t.Errorf("big has %d bytes", len(got))
	}
	if past.Blob("none") != nil {
		t.Error("a blob that nobody saved")
	}
}

// Times in the book are on one clock, however many processes have written to it.
func TestTheClockGoesOn(t *testing.T) {
	p := newPlane(t, nil)
	origin := p.book.header().origin
	for i := range 3 {
		before := p.clock()
		p.handOver(nil, nil)
		if now := p.clock(); now < before {
			t.Errorf("handover %d: the clock went from %d ns back to %d", i, before, now)
		}
		if d := time.Duration(p.book.header().origin - origin).Abs(); d > time.Millisecond {
			t.Errorf("handover %d: the book's clock began %v apart from the first one's", i, d)
		}
	}
}
