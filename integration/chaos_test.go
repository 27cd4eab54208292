package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// A plan is what one side of a chaotic connection does. Both sides know the
// seed, so each knows what the other will send.
type plan struct {
	*rand.Rand
	stream testnet.Stream
	sends  int64
	slow   bool // reads little and late
	single bool // writes single bytes
	urgent bool // sends one urgent byte
}

func planOf(seed uint64, side uint64) plan {
	r := rand.New(rand.NewPCG(seed, side))
	p := plan{Rand: r, stream: testnet.Stream(seed<<1 | side)}
	switch r.IntN(4) {
	case 0:
		p.sends = r.Int64N(100)
	case 1:
		p.sends = r.Int64N(100_000)
	default:
		p.sends = r.Int64N(3_000_000)
	}
	p.slow = r.IntN(5) == 0
	if p.single = r.IntN(6) == 0; p.single {
		p.sends %= 2000
	}
	p.urgent = r.IntN(3) == 0
	return p
}

// delivers is how many bytes a plan brings over, the urgent one included where it
// can be sent.
func (p plan) delivers(urgent bool) int64 {
	if p.urgent && p.sends > 0 && urgent {
		return p.sends + 1
	}
	return p.sends
}

// pause is a moment, now and then.
func (p plan) pause() {
	if p.IntN(20) == 0 {
		time.Sleep(time.Duration(p.IntN(20)) * time.Millisecond)
	}
}

func (p plan) send(c testnet.Conn) error {
	buf := make([]byte, 200_000)
	urgentAt := int64(-1)
	if _, ok := c.(*net.TCPConn); ok && !testnet.Multipath(c) && p.urgent && p.sends > 0 {
		// One at most: a second that comes before the first was taken makes the
		// first an ordinary byte, over a direct connection too.
		urgentAt = p.Int64N(p.sends)
	}
	urgent := func() error {
		urgentAt = -1
		if err := testnet.SendUrgent(c, '!'); err != nil {
			return fmt.Errorf("urgent byte: %w", err)
		}
		return nil
	}
	for at := int64(0); at < p.sends; {
		n := 1
		if !p.single {
			n = 1 + p.IntN(1<<uint(1+p.IntN(17)))
		}
		n = min(n, int(p.sends-at))
		p.stream.Fill(buf[:n], at)
		if urgentAt >= 0 && at >= urgentAt {
			if err := urgent(); err != nil {
				return err
			}
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", at, p.sends, err)
		}
		at += int64(n)
		p.pause()
	}
	if urgentAt >= 0 {
		if err := urgent(); err != nil {
			return err
		}
	}
	return c.CloseWrite()
}

// receive reads what the other side's plan sends.
func (p plan) receive(c net.Conn, other plan) error {
	r := testnet.PastMarks(c)
	if p.slow {
		r = &slowReader{r, rand.New(rand.NewPCG(uint64(p.stream), 7))}
	}
	return other.stream.Receive(r, other.sends)
}

type slowReader struct {
	io.Reader
	*rand.Rand
}

func (s *slowReader) Read(p []byte) (int, error) {
	if s.IntN(10) == 0 {
		time.Sleep(time.Duration(s.IntN(10)) * time.Millisecond)
	}
	return s.Reader.Read(p[:min(len(p), 1+s.IntN(50_000))])
}

// play does both directions of one side.
func play(c testnet.Conn, seed, side uint64) error {
	me, other := planOf(seed, side), planOf(seed, 1-side)
	sent := make(chan error, 1)
	go func() {
		err := me.send(c)
		if err != nil {
			c.Close()
		}
		sent <- err
	}()
	err := me.receive(c, other)
	if err != nil {
		c.Close()
		<-sent
		return fmt.Errorf("seed %d, side %d: receive: %w", seed, side, err)
	}
	if err := <-sent; err != nil {
		return fmt.Errorf("seed %d, side %d: send: %w", seed, side, err)
	}
	return nil
}

func TestChaosLosesNoByte(t *testing.T) {
	d := 2 * time.Second
	if testnet.All() {
		d = 5 * time.Second // the main path has its minute below
	}
	overEveryPath(t, func(t *testing.T, p Path) { chaos(t, p, d) })
}

func TestAMinuteOfChaosLosesNoByte(t *testing.T) {
	d := 8 * time.Second
	if testnet.All() {
		d = time.Minute
	}
	chaos(t, Path{"splice", "tcp4", "tcp4", "splice"}, d)
}

// chaos keeps 200 connections busy for a time and compares every byte.
func chaos(t *testing.T, p Path, d time.Duration) {
	errs := make(chan error, 1000)
	fail := func(who string, err error) {
		if err != nil {
			select {
			case errs <- fmt.Errorf("%s: %w", who, err):
			default:
			}
		}
	}
	front, peer, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		var seed [8]byte
		if _, err := io.ReadFull(c, seed[:]); err != nil {
			fail("backend", err)
			return
		}
		fail("backend", play(c, binary.BigEndian.Uint64(seed[:]), 1))
	}, nil)

	mptcp := p.client == "mptcp" && testnet.HasMPTCP() // it has no urgent bytes, either way
	var done, bytes atomic.Int64
	end := time.Now().Add(d)
	var clients sync.WaitGroup
	for i := range uint64(200) {
		clients.Go(func() {
			for n := uint64(0); time.Now().Before(end) && len(errs) == 0; n++ {
				seed := i<<32 | n
				c, err := testnet.TryDial(front, patience)
				if err != nil {
					fail("client", err)
					return
				}
				c.Write(binary.BigEndian.AppendUint64(nil, seed))
				fail("client", play(c, seed, 0))
				c.Close()
				done.Add(1)
				bytes.Add(8 + planOf(seed, 0).delivers(p.client != "unix" && !mptcp) + planOf(seed, 1).delivers(p.server != "unix" && !mptcp))
			}
		})
	}
	clients.Wait()
	testnet.Eventually(t, patience, "every backend has come to its end", func() bool {
		return peer.Open() == 0 || len(errs) > 0
	})
	for range min(5, len(errs)) {
		t.Error(<-errs)
	}
	t.Logf("%d connections, %d MB", done.Load(), bytes.Load()/1e6)
	if proxy == nil || t.Failed() {
		return
	}
	testnet.Eventually(t, patience, "every connection has a record", func() bool {
		return int64(len(proxy.All(Connections))) == done.Load()
	})
	var sum int64
	for _, r := range proxy.All(Connections) {
		sum += r.BytesUp + r.BytesDown
		if r.Cause != "completed" {
			t.Fatalf("got record %s", r.Raw)
		}
	}
	if sum != bytes.Load() {
		t.Errorf("the records add up to %d bytes, want %d", sum, bytes.Load())
	}
}
