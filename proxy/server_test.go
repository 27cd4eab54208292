package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"sluice/balancer"
	"sluice/internal/testnet"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVar); text != "" {
		child(text)
		return
	}
	os.Exit(testnet.Main(m))
}

// plane is a Server with one listener, "web", on one pool, "web".
type plane struct {
	*Server
	t       *testing.T
	address netip.AddrPort

	closed chan *Record
}

// newPlane listens on a free port and relays to the backends.
func newPlane(t *testing.T, change func(*Listener, *Pool), backends ...string) *plane {
	t.Helper()
	return newPlaneWith(t, Options{Workers: 2}, change, backends...)
}

func newPlaneWith(t *testing.T, o Options, change func(*Listener, *Pool), backends ...string) *plane {
	t.Helper()
	p := &plane{t: t, closed: make(chan *Record, 1<<16)}
	o.Record = func(r *Record) {
		kept := *r
		p.closed <- &kept
	}
	o.Keep = true
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Server = s
	t.Cleanup(func() { s.Shutdown(context.Background(), 0) })
	p.publish(change, backends...)
	p.address = s.Bound("web")[0].TCP
	return p
}

func (p *plane) publish(change func(*Listener, *Pool), backends ...string) {
	p.t.Helper()
	if err := publish(p.Server, change, backends...); err != nil {
		p.t.Fatal(err)
	}
}

// publish gives a Server the table of a plane.
func publish(s *Server, change func(*Listener, *Pool), backends ...string) error {
	pool := &Pool{Name: "web", ConnectTimeout: 3 * time.Second, Retries: 2}
	l := &Listener{
		Name: "web", Pool: pool, Backlog: 4096, IdleTimeout: time.Hour, HalfCloseTimeout: time.Minute,
		Bind: []Address{{TCP: netip.MustParseAddrPort("127.0.0.1:0")}}, Socket: SocketOptions{NoDelay: true},
	}
	var up []balancer.Backend
	for i, a := range backends {
		b := &Backend{Name: a, Load: &balancer.Load{}}
		if a[0] == '/' {
			b.Address.Unix = a
		} else {
			b.Address.TCP = netip.MustParseAddrPort(a)
		}
		pool.Backends = append(pool.Backends, b)
		up = append(up, balancer.Backend{Name: b.Name, Weight: 1, Ref: i, Load: b.Load})
	}
	var err error
	if pool.Balancer, err = balancer.NewPool("round_robin", up); err != nil {
		return err
	}
	if change != nil {
		change(l, pool)
	}
	table := &Table{Listeners: []*Listener{l}, Pools: []*Pool{pool}}
	for other := range l.pools() {
		if other != pool && other.Name != "" {
			table.Pools = append(table.Pools, other)
		}
	}
	o, err := s.Open(table)
	if err == nil {
		s.Publish(table, o)
	}
	return err
}

func (p *plane) dial() *net.TCPConn {
	p.t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(p.address))
	if err != nil {
		p.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	p.t.Cleanup(func() { c.Close() })
	return c
}

// record waits for the record of the next connection that ends.
func (p *plane) record() *Record {
	p.t.Helper()
	select {
	case r := <-p.closed:
		return r
	case <-time.After(20 * time.Second):
		p.t.Fatal("no record of a connection")
		return nil
	}
}

func TestRelayEchoes(t *testing.T) {
	for _, relay := range []Relay{Splice, Copy} {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			echo := listen(t, func(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, c); c.CloseWrite() })
			p := newPlane(t, func(l *Listener, _ *Pool) { l.Relay = relay }, echo)
			c := p.dial()
			sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			go func() { c.Write(sent); c.CloseWrite() }()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("got %d bytes, %v; want the %d sent", len(got), err, len(sent))
			}
			r := p.record()
			if r.Cause != Completed || r.Up != uint64(len(sent)) || r.Down != r.Up || r.Backend != echo {
				t.Errorf("record %+v", r)
			}
			if r.Connect <= 0 || r.FirstByte <= 0 || r.Total < r.Connect {
				t.Errorf("times of record %+v", r)
			}
		})
	}
}

func listen(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer c.Close(); serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}
