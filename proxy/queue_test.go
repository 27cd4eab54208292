package proxy

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/balancer"
	"sluice/internal/testnet"
)

// oneAtATime makes the backends of a plane full with so many connections each.
func oneAtATime(t *testing.T, most int64, more func(*Listener, *Pool)) func(*Listener, *Pool) {
	return func(l *Listener, p *Pool) {
		p.Queue, p.QueueTimeout = 100, time.Minute
		var full []balancer.Backend
		for i, b := range p.Backends {
			full = append(full, balancer.Backend{Name: b.Name, Weight: 1, Ref: i, Load: b.Load, MaxConnections: most})
		}
		var err error
		if p.Balancer, err = balancer.NewPool("least_connections", full); err != nil {
			t.Fatal(err)
		}
		if more != nil {
			more(l, p)
		}
	}
}

// asks opens a connection from an address and sends a byte; the echo comes when it is
// served. nil: it was turned away at once.
func (p *plane) asks(ip string) *net.TCPConn {
	p.t.Helper()
	c, err := p.from(ip)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil // turned away before it knew that it was connected
	}
	if err != nil {
		p.t.Fatal(err)
	}
	c.Write([]byte("?"))
	p.t.Cleanup(func() { c.Close() })
	return c
}

func (p *plane) here() int64 { return p.live.Load().pool("web").line.Here() }

// wantHere waits until so many wait.
func (p *plane) wantHere(what string, n int64) {
	p.t.Helper()
	testnet.Eventually(p.t, 30*time.Second, what, func() bool { return p.here() == n })
}

// isServed waits for the echo.
func isServed(t *testing.T, what string, c *net.TCPConn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestWaitingClientsAreServedInTurnBySource(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, nil), echo.Address)
	first := p.asks("127.0.0.2")
	isServed(t, "the first", first)
	// One source is greedy, and another comes when it has three waiting.
	var line []*net.TCPConn
	for i, ip := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		line = append(line, p.asks(ip))
		p.wantHere("they wait", int64(i+1))
	}
	now := first
	for _, i := range []int{0, 3, 4, 1, 2} {
		now.Close()
		isServed(t, fmt.Sprint("waiting number ", i), line[i])
		now = line[i]
		if r := p.record(); r.Cause != Completed || i != 0 && r.Queued == 0 {
			t.Errorf("record %+v", r)
		}
	}
	p.wantHere("nobody waits", 0)
}

func TestTheQueueTurnsAwayWhoIsTooMuch(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, func(_ *Listener, p *Pool) { p.Queue = 2 }), echo.Address)
	isServed(t, "the first", p.asks("127.0.0.2"))
	a := p.asks("127.0.0.2")
	p.wantHere("one waits", 1)
	p.asks("127.0.0.2")
	p.wantHere("two wait", 2)
	p.asks("127.0.0.2") // is turned away
	if r := p.record(); r.Cause != QueueFull || r.Backend != "" {
		t.Errorf("record %+v", r)
	}
	p.asks("127.0.0.3") // the last of the other source is
	if r := p.record(); r.Cause != QueueFull || r.Client.Addr().String() != "127.0.0.2" {
		t.Errorf("record %+v", r)
	}
	p.wantHere("two wait", 2)
	a.Close() // with a byte that was not read: may still want its answer
	p.wantHere("two wait", 2)
}

func TestWhoLeavesTheQueueFreesItsPlace(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, nil), echo.Address)
	isServed(t, "the first", p.asks("127.0.0.2"))
	quiet, err := p.from("127.0.0.3")
	if err != nil {
		t.Fatal(err)
	}
	resets := p.asks("127.0.0.4")
	p.wantHere("two wait", 2)
	quiet.Close()
	p.wantHere("one has ended", 1)
	if r := p.record(); r.Cause != QueueLeft || r.Queued == 0 {
		t.Errorf("record %+v", r)
	}
	resets.SetLinger(0)
	resets.Close()
	p.wantHere("the other has reset", 0)
	if r := p.record(); r.Cause != QueueLeft {
		t.Errorf("record %+v", r)
	}
}

func TestQueueTimeout(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	const limit = 300 * time.Millisecond
	p := newPlane(t, oneAtATime(t, 1, func(_ *Listener, p *Pool) { p.QueueTimeout = limit }), echo.Address)
	isServed(t, "the first", p.asks("127.0.0.2"))
	p.asks("127.0.0.2")
	r := p.record()
	if r.Cause != QueueTimedOut || r.Total < limit || r.Total > limit+5*time.Second || r.Queued < limit {
		t.Errorf("record %+v", r)
	}
	p.wantHere("nobody waits", 0)
}

// A pool's own limit is one as well, and so is a new table that has more room.
func TestALimitOfThePoolAndAReloadThatRaisesIt(t *testing.T) {
	echo, other := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	back := []string{echo.Address, other.Address}
	limit := func(n int64) func(*Listener, *Pool) {
		return oneAtATime(t, 0, func(_ *Listener, p *Pool) { p.MaxConnections = n })
	}
	p := newPlane(t, limit(0), back...)
	isServed(t, "the first", p.asks("127.0.0.2"))
	isServed(t, "the second", p.asks("127.0.0.2"))
	p.publish(limit(2), back...)
	testnet.Eventually(t, 30*time.Second, "those that are there are counted", func() bool { return p.live.Load().pool("web").active.Load() == 2 })
	a, b := p.asks("127.0.0.2"), p.asks("127.0.0.2")
	p.wantHere("two wait", 2)
	p.publish(limit(4), back...)
	isServed(t, "the first of them", a)
	isServed(t, "the second of them", b)
	p.wantHere("nobody waits", 0)
	for _, off := range []int64{0, 3} { // an end counts once, whatever the limit was
		p.publish(limit(off), back...)
	}
	p.end(a, b)
	testnet.Eventually(t, 30*time.Second, "two are left", func() bool { return p.live.Load().pool("web").active.Load() == 2 })
}

// Those who wait come over to the next process, and are served there.
func TestTheQueueOutlivesTheServer(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	change := oneAtATime(t, 1, nil)
	p := newPlane(t, change, echo.Address)
	first := p.asks("127.0.0.2")
	isServed(t, "the first", first)
	a, b := p.asks("127.0.0.2"), p.asks("127.0.0.3")
	p.wantHere("two wait", 2)
	if c := p.handOver(change, []string{echo.Address}); c.Connections != 3 || c.Reset != 0 {
		t.Errorf("carried %+v", c)
	}
	p.wantHere("two wait", 2)
	first.Close()
	for range 2 {
		testnet.Eventually(t, 30*time.Second, "one of them is served", func() bool {
			for i, c := range []*net.TCPConn{a, b} {
				if c != nil && testnet.Unread(c) == 1 {
					isServed(t, "it", c)
					c.Close()
					if i == 0 {
						a = nil
					} else {
						b = nil
					}
					return true
				}
			}
			return false
		})
	}
	p.wantHere("nobody waits", 0)
}

// A pool that leaves the table, a listener that is sent elsewhere and the end of the
// server leave nobody behind.
func TestAReloadMovesWhoWaits(t *testing.T) {
	echo, other := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, nil), echo.Address)
	isServed(t, "the first", p.asks("127.0.0.2"))
	a := p.asks("127.0.0.2")
	p.wantHere("one waits", 1)
	old := p.live.Load().pool("web")
	p.publish(func(_ *Listener, p *Pool) { p.Name = "elsewhere" }, other.Address)
	isServed(t, "who waited", a)
	if n := old.line.Here(); n != 0 {
		t.Errorf("%d are left in the old line", n)
	}
}

// Many workers and clients that come, wait, leave and are served at random: in the
// end nobody waits and nobody is counted.
func TestQueueUnderStress(t *testing.T) {
	const most, clients = 3, 24
	slow := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlaneWith(t, Options{Workers: 4}, oneAtATime(t, most, func(_ *Listener, p *Pool) { p.Queue = 12 }), slow.Address)
	const least = 100 // are served, however slow the machine
	begin := time.Now()
	var running sync.WaitGroup
	var served, away atomic.Int64
	goesOn := func() bool {
		took := time.Since(begin)
		return took < 1500*time.Millisecond || served.Load() < least && took < 30*time.Second
	}
	for i := range clients {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 17))
			for goesOn() {
				c, err := p.from(fmt.Sprintf("127.0.0.%d", 2+i%5))
				if err != nil {
					away.Add(1)
					continue
				}
				if r.IntN(5) == 0 { // leaves while it waits, or as it is served
					c.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(3000)) * time.Microsecond))
				} else {
					c.SetReadDeadline(time.Now().Add(30 * time.Second))
				}
				_, err = c.Write([]byte("?"))
				if err == nil {
					_, err = io.ReadFull(c, make([]byte, 1))
				}
				switch {
				case err == nil:
					served.Add(1)
				case errors.Is(err, io.EOF):
					t.Error("a clean end without an answer")
				default:
					away.Add(1)
					c.SetLinger(0)
				}
				c.Close()
			}
		})
	}
	running.Wait()
	p.wantHere("nobody waits", 0)
	testnet.Eventually(t, 30*time.Second, "nobody is there", func() bool { return p.active.Load() == 0 })
	s, sum := p.Stats(), uint64(0)
	for _, n := range s.Closed {
		sum += n
	}
	if load := p.Table().Pools[0].Backends[0].Load.Active(); load != 0 || sum != s.Accepted || served.Load() < least {
		t.Errorf("load %d, accepted %d, closed %d, served %d", load, s.Accepted, sum, served.Load())
	}
	t.Logf("%d served, %d away: %v; %d waited", served.Load(), away.Load(), s.Closed, p.live.Load().pool("web").line.Joined())
}
