package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/balancer"
	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// A connection that retries does so in the pool its listener had, also when a
// reload has taken both away meanwhile and more tables have come since.
func TestRetryOutlivesItsListener(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	p := newPlane(t, func(_ *Listener, pool *Pool) {
		pool.ConnectTimeout = 300 * time.Millisecond
		var err error
		pool.Balancer, err = balancer.NewPool("first", []balancer.Backend{
			{Name: "silent", Weight: 1, Ref: 0, Load: pool.Backends[0].Load},
			{Name: "greet", Weight: 1, Ref: 1, Load: pool.Backends[1].Load},
		})
		if err != nil {
			t.Fatal(err)
		}
	}, testnet.Silent(t), greet.Address)
	c := p.dial()
	testnet.Eventually(t, 30*time.Second, "the client is accepted", func() bool { return p.Stats().Active == 1 })
	for range 4 {
		p.Publish(&Table{}, nil)
		p.wakeAll(t)
	}
	hello := make([]byte, 5)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "hello" {
		t.Errorf("%q, %v", hello, err)
	}
	c.Close()
	if r := p.record(); r.Backend != greet.Address || r.Retries != 1 || r.Cause != Completed {
		t.Errorf("record %+v", r)
	}
}

// wakeAll waits until every worker has seen the table in force.
func (p *plane) wakeAll(t *testing.T) {
	t.Helper()
	now := p.live.Load().version
	testnet.Eventually(t, 30*time.Second, "every worker has seen the table", func() bool { return p.seen() == now })
}

// A reload that lifts a limit lets those in who wait for it.
func TestReloadLiftsALimit(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	limit := int64(1)
	change := func(l *Listener, _ *Pool) { l.MaxConnections = limit }
	p := newPlane(t, change, greet.Address)
	first := p.dial()
	if _, err := io.ReadFull(first, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	second := p.dial()
	testnet.Eventually(t, 30*time.Second, "the listener is paused", func() bool { return p.Stats().Paused > 0 })
	limit = 2
	p.publish(change, greet.Address)
	if _, err := io.ReadFull(second, make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

// One listener at its limit is no business of another's connections: their end
// wakes nobody.
func TestPausedListenerWaitsForItsOwn(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, func(l *Listener, _ *Pool) { l.MaxConnections = 1 }, echo.Address)
	table := p.live.Load().table
	other := *table.Listeners[0]
	other.Name, other.MaxConnections, other.Bind = "other", 0, []Address{{TCP: netip.MustParseAddrPort(testnet.FreeAddress(t, "tcp4"))}}
	table = &Table{Listeners: []*Listener{table.Listeners[0], &other}, Pools: table.Pools}
	o, err := p.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	p.Publish(table, o)
	full, waits := p.dial(), p.dial()
	testnet.Eventually(t, 30*time.Second, "the listener is paused", func() bool { return p.Stats().Paused > 0 })
	for range 50 {
		c := testnet.Dial(t, other.Bind[0].String())
		if _, err := testnet.Exchange(c, testnet.Stream(1), 10); err != nil {
			t.Fatal(err)
		}
		c.Close()
		p.record()
	}
	if n := p.Stats().Paused; n > 2 {
		t.Errorf("paused %d times for connections of another listener", n)
	}
	full.Close()
	if _, err := testnet.Exchange(waits, testnet.Stream(1), 10); err != nil {
		t.Error(err)
	}
}

// Slow readers take pipes; when they have gone the worker has as many as at
// first, and its other timers have not suffered.
func TestSparePipesAreClosedAgain(t *testing.T) {
	source := testnet.Start(t, "tcp4", testnet.Endless(testnet.Stream(1)))
	p := newPlane(t, nil, source.Address)
	first := p.Stats().PipesOpen
	var slow []io.Closer
	for range 40 {
		slow = append(slow, p.dial())
	}
	testnet.Eventually(t, 30*time.Second, "every slow reader holds a pipe", func() bool { return p.Stats().PipesInUse == 40 })
	for _, c := range slow {
		c.Close()
	}
	for range slow {
		p.record()
	}
	testnet.Eventually(t, 30*time.Second, "the spare pipes are closed", func() bool { return p.Stats().PipesOpen == first })
	if n := p.Stats().PipesInUse; n != 0 {
		t.Errorf("%d pipes in use by nobody", n)
	}
}

// A connect to a port that nobody listens on must not end in itself.
func TestSocketConnectedWithItselfIsSeen(t *testing.T) {
	free := sys.TCPAddr(netip.MustParseAddrPort("127.0.0.1:0"))
	fd, e := sys.Socket(free.Family())
	if e != 0 {
		t.Fatal(e)
	}
	defer sys.Close(fd)
	if e := sys.Bind(fd, &free); e != 0 {
		t.Fatal(e)
	}
	own, _ := sys.LocalAddr(fd)
	address := own.AddrPort()
	if e := sys.Connect(fd, &own); e != 0 && e != syscall.EINPROGRESS {
		t.Fatal(e)
	}
	if !isItself(fd, address) {
		t.Error("a socket connected with itself is taken for a backend")
	}
	if isItself(fd, netip.AddrPortFrom(address.Addr(), address.Port()+1)) {
		t.Error("a backend is taken for the socket itself")
	}
}

// A connection that lasts has keepalive on its backend's side; one that is
// idle for less than its keepalive allows has it at once.
func TestLastingConnectionIsKeptAlive(t *testing.T) {
	for _, row := range []struct{ connect, idle time.Duration }{{50 * time.Millisecond, time.Minute}, {time.Minute, time.Second}} {
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		p := newPlane(t, func(_ *Listener, pool *Pool) {
			pool.ConnectTimeout = row.connect
			pool.Socket.Keepalive = Keepalive{Idle: row.idle, Interval: time.Second, Count: 3}
		}, echo.Address)
		c := p.dial()
		if _, err := testnet.Exchange(c, testnet.Stream(1), 10); err != nil {
			t.Fatal(err)
		}
		testnet.Eventually(t, 30*time.Second, "keepalive on the backend's side", func() bool {
			for _, w := range p.workers {
				if b := w.slab.at(1); b.generation != 0 {
					on, err := syscall.GetsockoptInt(int(b.backend), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
					idle, _ := syscall.GetsockoptInt(int(b.backend), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
					return err == nil && on == 1 && idle == int(row.idle/time.Second)
				}
			}
			return false
		})
	}
}

// A bind may become wider, narrower or be divided by a reload; clients find the
// port open all along, over IPv4 and IPv6 as the table says.
func TestReloadReshapesABind(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	p := newPlane(t, nil, greet.Address)
	free := netip.MustParseAddrPort(testnet.FreeAddress(t, "tcp4"))
	at := func(s string) Address { return Address{TCP: netip.AddrPortFrom(netip.MustParseAddr(s), free.Port())} }
	for _, step := range []struct {
		name   string
		bind   []Address
		v4, v6 bool
	}{
		{"loopback", []Address{at("127.0.0.1")}, true, false},
		{"everything", []Address{at("::")}, true, true},
		{"everything in two", []Address{at("0.0.0.0"), at("::")}, true, true},
		{"everything again", []Address{at("::")}, true, true},
		{"IPv6 loopback", []Address{at("::1")}, false, true},
		{"all of IPv4", []Address{at("0.0.0.0")}, true, false},
		{"IPv4 loopback", []Address{at("127.0.0.1")}, true, false},
	} {
		p.publish(func(l *Listener, _ *Pool) { l.Bind = step.bind }, greet.Address)
		for host, want := range map[string]bool{"127.0.0.1": step.v4, "::1": step.v6} {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(host), free.Port()).String())
			if err == nil {
				if _, err = io.ReadFull(c, make([]byte, 5)); err != nil {
					t.Errorf("%s: over %s: %v", step.name, host, err)
				}
				c.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s: over %s: %v", step.name, host, err)
			}
		}
	}
}

// The port of a listener is not shared with anyone, not even after a bind was
// reshaped.
func TestPortIsNotShared(t *testing.T) {
	p := newPlane(t, nil)
	other, err := New(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Shutdown(t.Context(), 0)
	l := *p.live.Load().table.Listeners[0]
	l.Bind = []Address{{TCP: p.address}}
	_, err = other.Open(&Table{Listeners: []*Listener{&l}})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "listener web: bind "+p.address.String()) {
		t.Errorf("a second server on the port: %v", err)
	}
}

// Two listeners on port 0 have a port each.
func TestFreePortsAreTheirOwn(t *testing.T) {
	p := newPlane(t, nil)
	first := p.live.Load().table.Listeners[0]
	second := *first
	second.Name = "second"
	second.Bind = append(second.Bind, second.Bind[0])
	table := &Table{Listeners: []*Listener{first, &second}, Pools: []*Pool{first.Pool}}
	o, err := p.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	p.Publish(table, o)
	web, two := p.Bound("web"), p.Bound("second")
	if len(web) != 1 || len(two) != 2 || web[0].TCP != p.address || two[0] == two[1] || two[0] == web[0] {
		t.Errorf("web at %v, was at %v; second at %v", web, p.address, two)
	}
}

// A reload brings back a unix socket whose path somebody removed.
func TestReloadBringsBackARemovedSocket(t *testing.T) {
	greet := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	path := filepath.Join(testnet.Dir(t), "in")
	change := func(l *Listener, _ *Pool) { l.Bind = []Address{{Unix: path}} }
	p := newPlane(t, nil, greet.Address)
	for range 2 {
		p.publish(change, greet.Address)
		c := testnet.Dial(t, "unix:"+path)
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Error(err)
		}
		os.Remove(path)
	}
}
