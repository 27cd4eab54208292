package proxy

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy/guard"
)

// behind is a client that a proxy speaks for: its connection, when it was let in,
// else nil.
func (p *plane) behind(ip string) *net.TCPConn {
	p.t.Helper()
	c := p.dial()
	c.Write(headerOf(ip+":5000", "192.0.2.9:443", 2))
	if _, err := testnet.Exchange(c, 1, 100); err != nil {
		c.Close()
		return nil
	}
	return c
}

// Where a PROXY header says whose connection it is, guards go by that, and the
// count of a source ends with the connection and outlives the process; those who
// speak for others are themselves not counted.
func TestGuardsGoByTheSourceInTheHeader(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	listener := func(l *Listener, p *Pool) {
		believing(ProxyRequired, "127.0.0.0/8")(l, p)
		l.PerSource.Most, l.SourcePrefix = 2, 64
		l.ACL = guard.NewACL([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	}
	p := newPlane(t, listener, echo.Address)
	turnedAway := func(ip string, want Cause) {
		t.Helper()
		if c := p.behind(ip); c != nil {
			t.Errorf("%s came in", ip)
		}
		if r := p.record(); r.Cause != want || r.Client.Addr().String() != ip {
			t.Errorf("%s: record %+v", ip, r)
		}
	}
	here := []*net.TCPConn{p.behind("192.0.2.1"), p.behind("192.0.2.1"), p.behind("192.0.2.2")}
	for i, c := range here {
		if c == nil {
			t.Fatalf("client %d is turned away", i)
		}
	}
	turnedAway("192.0.2.1", SourceFull)
	turnedAway("198.51.100.1", Denied)
	p.end(here[0])
	p.record()
	here[0] = p.behind("192.0.2.1")

	half := p.dial() // it has said half of who it is, and is not counted yet
	header := headerOf("192.0.2.3:5000", "192.0.2.9:443", 2)
	half.Write(header[:20])
	testnet.Eventually(t, 30*time.Second, "it is there", func() bool { return p.active.Load() == 4 })
	p.handOver(listener, []string{echo.Address})
	turnedAway("192.0.2.1", SourceFull)
	half.Write(header[20:])
	if _, err := testnet.Exchange(half, 1, 100); err != nil {
		t.Errorf("who was half way: %v", err)
	}
	other := p.behind("192.0.2.3")
	if other == nil {
		t.Error("who was half way is counted twice")
	}
	turnedAway("192.0.2.3", SourceFull)
	p.end(append(here, half, other)...)
	for range 5 {
		p.record()
	}
	sources := p.live.Load().listeners[1].sources
	if n, _ := sources.Look(sources.Key(p.address.Addr()), 1, guard.Limits{}); n != 0 {
		t.Errorf("who speaks for others is counted %d times", n)
	}
	for range 2 {
		if p.behind("192.0.2.1") == nil {
			t.Error("not everyone who has left is gone from the count")
		}
	}
}

// A client waits before the pool that its route leads to; a reload that leads it
// elsewhere moves it, and one that leads it nowhere ends it.
func TestWhoWaitsByARoute(t *testing.T) {
	full, free := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	narrow, wide := poolOf("narrow", full.Address), poolOf("wide", free.Address)
	narrow.MaxConnections, narrow.Queue, narrow.QueueTimeout = 1, 10, time.Minute
	to := func(pool *Pool, main *Pool) func(*Listener, *Pool) {
		return func(l *Listener, _ *Pool) {
			l.Pool, l.InspectTimeout = main, 5*time.Second
			l.Routes = NewRoutes([]Route{{Source: prefixes("127.0.0.2/32"), Pool: pool}})
		}
	}
	p := newPlane(t, to(narrow, wide), "127.0.0.1:1")
	isServed(t, "the first", p.asks("127.0.0.2"))
	waits := p.asks("127.0.0.2")
	wait := func(n int64) {
		t.Helper()
		testnet.Eventually(t, 30*time.Second, "so many wait", func() bool { return narrow.line.Here() == n })
	}
	wait(1)
	isServed(t, "who takes no route", p.asks("127.0.0.3"))
	p.publish(to(wide, narrow), "127.0.0.1:1")
	isServed(t, "who is led elsewhere", waits)
	wait(0)

	p.publish(to(narrow, wide), "127.0.0.1:1")
	lost := p.asks("127.0.0.2")
	wait(1)
	p.publish(func(l *Listener, pool *Pool) {
		to(narrow, Nowhere())(l, pool)
		l.Routes = NewRoutes([]Route{{Source: prefixes("127.0.0.9/32"), Pool: narrow}})
	}, "127.0.0.1:1")
	if r := p.record(); r.Cause != NoRoute || r.Client != lost.LocalAddr().(*net.TCPAddr).AddrPort() {
		t.Errorf("record %+v", r)
	}
	wait(0)
}
