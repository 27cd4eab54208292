package proxy

import (
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/testnet"
)

func TestBackendSeesTheSource(t *testing.T) {
	p := newPlane(t, func(_ *Listener, pool *Pool) {
		pool.From.Address = netip.MustParseAddr("127.0.0.77")
		pool.SendProxy = SendNone
	}, testnet.Start(t, "tcp4", testnet.Echo).Address)
	c := p.dial()
	io.WriteString(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if conns := p.Conns(); len(conns) != 1 || conns[0].Phase != "relaying" {
		t.Errorf("connections %+v", conns)
	}
}

// TestWhatCannotBeASourceIsNotTheBackendsFault: the backend is asked by nobody.
func TestWhatCannotBeASourceIsNotTheBackendsFault(t *testing.T) {
	for name, c := range map[string]struct {
		from From
		want syscall.Errno
	}{
		"not this machine's":      {From{Address: netip.MustParseAddr("192.0.2.1")}, syscall.EADDRNOTAVAIL},
		"of the other family":     {From{Address: netip.MustParseAddr("::1")}, syscall.EAFNOSUPPORT},
		"a client's of the other": {From{Client: true}, syscall.EAFNOSUPPORT},
	} {
		t.Run(name, func(t *testing.T) {
			if c.from.Client {
				testnet.NeedRoot(t)
			}
			p := newPlane(t, func(l *Listener, pool *Pool) {
				pool.From = c.from
				believing(ProxyOptional, "127.0.0.0/8")(l, pool)
			}, testnet.Start(t, "tcp4", testnet.Echo).Address)
			conn := p.dial()
			conn.Write(headerOf("[2001:db8::7]:1", "[2001:db8::8]:2", 2))
			if _, err := io.ReadAll(conn); !testnet.IsReset(err) {
				t.Errorf("got %v, want a reset", err)
			}
			if r := p.record(); r.Cause != ConnectFailed || r.Errno != c.want {
				t.Errorf("record %+v", r)
			}
			if s := p.Stats(); s.ConnectFails != 0 {
				t.Errorf("the backend is blamed for %d failures", s.ConnectFails)
			}
		})
	}
}

func TestAnotherReachIsAnotherSocket(t *testing.T) {
	testnet.NeedRoot(t)
	at := Address{TCP: netip.MustParseAddrPort(testnet.FreeAddress(t, "tcp4"))}
	echo := testnet.Start(t, "tcp4", testnet.Echo).Address
	p := newPlane(t, func(l *Listener, _ *Pool) { l.Bind = []Address{at} }, echo)
	doorOf := func() *door { return p.live.Load().doors[p.live.Load().listeners[1].id] }
	before := doorOf()
	p.publish(func(l *Listener, _ *Pool) { l.Bind, l.Reach.Mark = []Address{at}, 7 }, echo)
	if bound := p.Bound("web"); len(bound) != 1 || bound[0] != at || doorOf() == before {
		t.Errorf("bound to %v", bound)
	}
	if err := publish(p.Server, func(l *Listener, _ *Pool) { l.Reach.Interface = "nosuch0" }, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "interface nosuch0: no such device") {
		t.Errorf("an interface that is not there: %v", err)
	}
}
